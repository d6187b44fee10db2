"""schemathesis finds no difference between the OpenAPI document and the running application."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from local import ROOT
from local.application import AppServer

_CONFIGURATION: Final = Path(__file__).with_name("schemathesis.toml")
_TIMEOUT: Final = 1500  # seconds
_ENVIRONMENT: Final = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "SCHEMATHESIS_HOOKS": "tests.openapi.schemathesis_hooks",
}


@pytest.mark.proof
@pytest.mark.timeout(_TIMEOUT)
@pytest.mark.parametrize("role", ["seller", "operator"])
def test_generated_requests_are_answered_as_documented(
    role: str, server: AppServer, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """All checks and all phases, among them sequences of requests along the links, for both kinds of users."""
    caller = request.getfixturevalue(role)
    command = [str(Path(sys.executable).with_name("schemathesis")), f"--config-file={_CONFIGURATION}", "run"]
    options = ["--checks=all", "--no-color", f"--header=Authorization: Bearer {caller.token}"]
    done = subprocess.run(  # noqa: S603 - our own command
        [*command, f"{server.url}/openapi.json", *options],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=_TIMEOUT, env=_ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
