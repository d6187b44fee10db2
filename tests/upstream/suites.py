"""Download the test suites of other projects and run each in a separate pytest process.

The tests are part of the projects' source distributions, and no copy is kept in this repository. pip downloads the
pinned files once into `.local/sdists`, and each run unpacks them into a temporary folder.
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
        project: name on the package index.
        version: the release that the lock file installs.
        sha256: hash of the source distribution.
        tests: paths of the tests to run, relative to the source distribution.
        deselected: tests that do not run, such as those of other backends.

    """

    project: str
    version: str
    sha256: str
    tests: tuple[str, ...]
    deselected: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name of the archive without its extension, and of the folder in it."""
        return f"{self.project.replace('-', '_')}-{self.version}"


@dataclass(frozen=True, slots=True)
class Results:
    """The outcome of each test by node id, and pytest's output."""

    outcomes: dict[str, str]
    output: str

    def having(self, outcome: str) -> set[str]:
        """Return the tests with the given outcome: passed, failed or skipped."""
        return {test for test, found in self.outcomes.items() if found == outcome}


def fetch(suite: Suite) -> Path:
    """Return the source distribution. Download it unless a file with the right hash exists."""
    archive = _SDISTS / f"{suite.stem}.tar.gz"
    if not (archive.exists() and hashlib.sha256(archive.read_bytes()).hexdigest() == suite.sha256):
        _SDISTS.mkdir(parents=True, exist_ok=True)
        requirements = _SDISTS / f"{suite.stem}.txt"
        requirements.write_text(f"{suite.project}=={suite.version} --hash=sha256:{suite.sha256}\n")
        options = ("--no-deps", "--no-binary", ":all:", "--require-hashes", "--quiet", "--disable-pip-version-check")
        completed = _python("pip", "download", *options, "--dest", str(_SDISTS), "--requirement", str(requirements))
        assert completed.returncode == 0, completed.stderr
    return archive


def unpack(archive: Path, directory: Path, *, port: int) -> Path:
    """Unpack a source distribution, make its tests use the Redis at `port`, and return the folder."""
    with tarfile.open(archive) as packed:
        packed.extractall(directory, filter="data")
    folder = directory / archive.name.removesuffix(".tar.gz")
    for path in (folder / "tests").glob("*.py"):
        path.write_text(path.read_text().replace(_THEIR_PORT, str(port)))
    return folder


def run(suite: Suite, directory: Path, *, port: int, backend: str = "") -> Results:
    """Run a suite against the Redis at `port`.

    Args:
        suite: the suite to run.
        directory: an empty folder.
        port: port of a Redis without password. It is emptied before each test.
        backend: the CACHE_TYPE that replaces theirs, together with our `Cache`. By default nothing is replaced.

    """
    folder = unpack(fetch(suite), directory, port=port)
    report = directory / "outcomes.json"
    plugins = _options("-p", ("tests.upstream.plugin", "no:valkey", "no:cacheprovider"))
    completed = _python(
        "pytest",
        "-q",
        "--tb=short",
        *plugins,
        *_options("--deselect", suite.deselected),
        *suite.tests,
        directory=folder,
        environment={
            "PYTHONPATH": str(ROOT),
            "CI": "true",  # stops both projects' tests from starting a server
            "UPSTREAM_BACKEND": backend,
            "UPSTREAM_PORT": str(port),
            "UPSTREAM_REPORT": str(report),
        },
    )
    assert report.exists(), f"the suite did not run:\n{completed.stdout}\n{completed.stderr}"
    return Results(json.loads(report.read_text()), completed.stdout)


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
