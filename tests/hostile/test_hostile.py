"""Fuzz test: hostile requests cause no server error, hang, leak or change, and leave no secret in the log."""

import os
import secrets
import time
from collections.abc import Iterator
from typing import Final

import pytest
from flask import Flask

from local.stack import Stack
from tests.hostile.actors import WORKERS, System, run_system
from tests.hostile.campaign import ORDINARY, Campaign
from tests.hostile.generator import Generator
from tests.hostile.oracle import log_violations

SHORT: Final = 1_000
LONG: Final = int(os.environ.get("HOSTILE_REQUESTS") or 40_000)
"""Set HOSTILE_REQUESTS=100000 to send more requests. They take about five minutes on two idle cores."""

_EXPECTED_STATUSES: Final = {200, 400, 401, 403, 404, 405, 415, 422}
"""Statuses that must occur. If one is missing, the requests are not varied enough. Rarer ones occur by chance only."""


@pytest.fixture(scope="module")
def running_system(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Return the running app with its actors."""
    with run_system(stack, tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.fixture
def generator(running_system: System, app: Flask) -> Generator:
    """Return the generator. Its seed is printed; set HOSTILE_SEED to repeat a run."""
    seed = int(os.environ.get("HOSTILE_SEED") or secrets.randbelow(10**6))
    print(f"HOSTILE_SEED={seed}")  # noqa: T201 - shown when the test fails
    return Generator(seed, running_system, app)


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param(SHORT, id="short"),
        pytest.param(LONG, id="long", marks=[pytest.mark.proof, pytest.mark.timeout(3600)]),
    ],
)
def test_hostile_requests_cause_no_error_hang_leak_or_change(
    running_system: System, generator: Generator, requests: int
) -> None:
    """No answer and no log line breaks a rule, and the bystanders' rows and answers do not change."""
    before, began = running_system.rows(), time.monotonic()
    results = Campaign(running_system, generator).run(requests)
    print(f"{requests / (time.monotonic() - began):.0f} requests/s; {results.summary()}")  # noqa: T201
    assert results.violations == []
    assert running_system.rows() == before
    assert log_violations(running_system.log.read_text("utf-8"), running_system.secrets(), workers=WORKERS) == []
    assert results.ordinary == -(-requests // ORDINARY)
    assert set(results.statuses) >= _EXPECTED_STATUSES
