"""Ask the advisory services about every pinned package, and look at every licence (`make audit`).

The exit status is 0 when all was asked and nothing was found, 1 when something was found, and 2 when nothing was found
but a service could not be asked: that is no success.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from local import ROOT
from local.licences import npm_packages, python_packages, refused
from local.npm import NODE, npm_command

__all__ = ["Report", "Verdict", "audit_npm", "audit_python", "look_at_licences", "overall"]

LOCK_FILES: Final = ("requirements-dev.txt", "requirements-bench.txt")
"""Together they pin every package of the other requirements files too."""

_SECONDS: Final = 300


class Verdict(IntEnum):
    """What an audit comes to; the number is the exit status."""

    CLEAN = 0
    FOUND = 1
    NOT_ASKED = 2


@dataclass(frozen=True, slots=True)
class Report:
    """One part of the audit: what it is about, what it comes to, and a line for each thing found."""

    subject: str
    verdict: Verdict
    lines: tuple[str, ...] = ()


def overall(reports: Iterable[Report]) -> Verdict:
    """Return what they come to together: something found counts most, then something not asked."""
    verdicts = {report.verdict for report in reports}
    return next(verdict for verdict in (Verdict.FOUND, Verdict.NOT_ASKED, Verdict.CLEAN) if verdict in verdicts)


def look_at_licences() -> Report:
    """Check the licences of all installed Python packages and of those in package-lock.json."""
    lines = tuple(
        f"{found.name}: {found.licence or 'says none'}" for found in refused([*python_packages(), *npm_packages()])
    )
    return Report("licences", Verdict.FOUND if lines else Verdict.CLEAN, lines)


def audit_python(pip_audit: Path) -> Report:
    """Ask about what the lock files pin, with this `pip-audit`."""
    files = [part for file in LOCK_FILES for part in ("--requirement", str(ROOT / file))]
    options = ("--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "20")
    return _asked("Python packages", [str(pip_audit), *files, *options], _python_lines)


def audit_npm(*options: str) -> Report:
    """Ask about what package-lock.json pins; `options` go to npm."""
    return _asked("npm packages", npm_command("audit", "--json", "--fetch-retries=1", *options), _npm_lines)


def _asked(subject: str, command: list[str], lines_of: Callable[[Any], list[str]]) -> Report:
    environment = {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    try:
        done = subprocess.run(  # noqa: S603 - our own commands
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        lines = lines_of(json.loads(done.stdout))
    except (OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError):
        # Both commands end with 1 for a finding and for a failure alike: only a whole report counts as an answer.
        return Report(subject, Verdict.NOT_ASKED, ("the advisory service gave no answer: nothing is known about them",))
    return Report(subject, Verdict.FOUND if lines else Verdict.CLEAN, tuple(lines))


def _python_lines(document: dict[str, Any]) -> list[str]:
    """Read pip-audit's report. Raises LookupError when it has none, or left a package out."""
    lines = []
    for package in document["dependencies"]:
        lines += [f"{package['name']} {package['version']}: {found['id']}" for found in package["vulns"]]
    return lines


def _npm_lines(document: dict[str, Any]) -> list[str]:
    """Read npm's report. Raises LookupError when it has none."""
    return [f"{name}: {found['severity']}" for name, found in document["vulnerabilities"].items()]


def main(pip_audit: Path) -> int:
    """Print each report and return the exit status."""
    reports = [look_at_licences(), audit_python(pip_audit), audit_npm()]
    words = {Verdict.CLEAN: "nothing found", Verdict.FOUND: "FOUND", Verdict.NOT_ASKED: "NOT ASKED"}
    for report in reports:
        print("\n    ".join((f"{report.subject}: {words[report.verdict]}", *report.lines)))  # noqa: T201
    return overall(reports)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
