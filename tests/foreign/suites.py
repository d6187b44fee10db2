"""Fetch the test suites of other projects and run them in a pytest of their own.

Their source distributions carry the tests. Nothing of them is kept in this repository: pip downloads the pinned files
once into `.local/sdists`, and each run unpacks them into a temporary folder.
"""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local import ROOT

_SDISTS: Final = ROOT / ".local" / "sdists"
_THEIR_PORT: Final = "6360"  # both projects expect their Redis there
_RUN_SECONDS: Final = 240


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one release.

    Attributes:
        project: its name on the package index.
        version: the release that the lock file installs.
        sha256: of the source distribution.
        tests: what to run, relative to the source distribution.
        left_out: tests of other backends.

    """

    project: str
    version: str
    sha256: str
    tests: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """Name of the archive without its ending, and of the folder in it."""
        return f"{self.project.replace('-', '_')}-{self.version}"


@dataclass(frozen=True, slots=True)
class Results:
    """What became of each test, by node id, and what pytest printed."""

    outcomes: dict[str, str]
    output: str

    def having(self, outcome: str) -> set[str]:
        """Return the tests with this outcome: passed, failed or skipped."""
        return {test for test, found in self.outcomes.items() if found == outcome}


def fetch(suite: Suite) -> Path:
    """Return the source distribution, downloaded unless it is here already. The hash decides which file that is."""
    archive = _SDISTS / f"{suite.stem}.tar.gz"
    if not (archive.exists() and hashlib.sha256(archive.read_bytes()).hexdigest() == suite.sha256):
        _SDISTS.mkdir(parents=True, exist_ok=True)
        wanted = _SDISTS / f"{suite.stem}.txt"
        wanted.write_text(f"{suite.project}=={suite.version} --hash=sha256:{suite.sha256}\n")
        options = ("--no-deps", "--no-binary", ":all:", "--require-hashes", "--quiet", "--disable-pip-version-check")
        ran = _python("pip", "download", *options, "--dest", str(_SDISTS), "--requirement", str(wanted))
        assert ran.returncode == 0, ran.stderr
    return archive


def unpack(archive: Path, directory: Path, *, port: int) -> Path:
    """Unpack a source distribution, point its tests to the Redis at `port`, and return its folder."""
    with tarfile.open(archive) as packed:
        packed.extractall(directory, filter="data")
    folder = directory / archive.name.removesuffix(".tar.gz")
    for path in (folder / "tests").glob("*.py"):
        path.write_text(path.read_text().replace(_THEIR_PORT, str(port)))
    return folder


def run(suite: Suite, directory: Path, *, port: int, backend: str = "") -> Results:
    """Run a suite against the Redis at `port`.

    Args:
        suite: what to run.
        directory: an empty folder.
        port: of a Redis without password, which is emptied before each test.
        backend: the CACHE_TYPE put in place of theirs, together with our `Cache`; by default both are theirs.

    """
    folder = unpack(fetch(suite), directory, port=port)
    report = directory / "outcomes.json"
    plugins = _options("-p", ("tests.foreign.plugin", "no:valkey", "no:cacheprovider"))
    ran = _python(
        "pytest",
        "-q",
        "--tb=short",
        *plugins,
        *_options("--deselect", suite.left_out),
        *suite.tests,
        directory=folder,
        environment={
            "PYTHONPATH": str(ROOT),
            "CI": "true",  # both projects: do not start a server
            "FOREIGN_BACKEND": backend,
            "FOREIGN_PORT": str(port),
            "FOREIGN_REPORT": str(report),
        },
    )
    assert report.exists(), f"the suite did not run:\n{ran.stdout}\n{ran.stderr}"
    return Results(json.loads(report.read_text()), ran.stdout)


def _options(name: str, values: Iterable[str]) -> list[str]:
    return [part for value in values for part in (name, value)]


def _python(
    *module_and_arguments: str, directory: Path = ROOT, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", *module_and_arguments],
        cwd=directory,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_RUN_SECONDS,
        check=False,
    )
