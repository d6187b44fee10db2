"""Check every pinned package for known vulnerabilities, and every licence (`make audit`).

Exit status: 0 when all checks ran and found nothing; 1 when a check found something; 2 when no check found anything but
at least one advisory service gave no answer. Status 2 is not a success.
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

__all__ = ["Report", "Verdict", "audit_npm", "audit_python", "check_licences", "overall"]

LOCK_FILES: Final = ("requirements-dev.txt", "requirements-bench.txt")
"""These two files also contain every package of the other requirements files."""

_SECONDS: Final = 300


class Verdict(IntEnum):
    """The result of an audit; the number is the exit status."""

    CLEAN = 0
    FOUND = 1
    NOT_CHECKED = 2


@dataclass(frozen=True, slots=True)
class Report:
    """One part of the audit: its subject, its result, and one line per finding."""

    subject: str
    verdict: Verdict
    lines: tuple[str, ...] = ()


def overall(reports: Iterable[Report]) -> Verdict:
    """Return the combined result: FOUND if any report has it, else NOT_CHECKED if any has it, else CLEAN."""
    verdicts = {report.verdict for report in reports}
    return next(verdict for verdict in (Verdict.FOUND, Verdict.NOT_CHECKED, Verdict.CLEAN) if verdict in verdicts)


def check_licences() -> Report:
    """Check the licences of all installed Python packages and of those in package-lock.json."""
    lines = tuple(
        f"{found.name}: {found.licence or 'no licence stated'}"
        for found in refused([*python_packages(), *npm_packages()])
    )
    return Report("licences", Verdict.FOUND if lines else Verdict.CLEAN, lines)


def audit_python(pip_audit: Path) -> Report:
    """Check the packages in the Python lock files with the program `pip_audit`."""
    files = [part for file in LOCK_FILES for part in ("--requirement", str(ROOT / file))]
    options = ("--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "20")
    return _run_audit("Python packages", [str(pip_audit), *files, *options], _python_lines)


def audit_npm(*options: str) -> Report:
    """Check the packages in package-lock.json; `options` are passed to npm."""
    return _run_audit("npm packages", npm_command("audit", "--json", "--fetch-retries=1", *options), _npm_lines)


def _run_audit(subject: str, command: list[str], lines_of: Callable[[Any], list[str]]) -> Report:
    environment = {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    try:
        done = subprocess.run(  # noqa: S603 - our own commands
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        lines = lines_of(json.loads(done.stdout))
    except (OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError):
        # Both commands exit with 1 for a finding and for a failure. Only a complete report counts as an answer.
        return Report(
            subject, Verdict.NOT_CHECKED, ("the advisory service gave no answer; these packages were not checked",)
        )
    return Report(subject, Verdict.FOUND if lines else Verdict.CLEAN, tuple(lines))


def _python_lines(document: dict[str, Any]) -> list[str]:
    """Return the findings in pip-audit's report. Raises LookupError when a part of the report is missing."""
    lines = []
    for package in document["dependencies"]:
        lines += [f"{package['name']} {package['version']}: {found['id']}" for found in package["vulns"]]
    return lines


def _npm_lines(document: dict[str, Any]) -> list[str]:
    """Return the findings in npm's report. Raises LookupError when there is no report."""
    return [f"{name}: {found['severity']}" for name, found in document["vulnerabilities"].items()]


def main(pip_audit: Path) -> int:
    """Print each report and return the exit status."""
    reports = [check_licences(), audit_python(pip_audit), audit_npm()]
    words = {Verdict.CLEAN: "nothing found", Verdict.FOUND: "FOUND", Verdict.NOT_CHECKED: "NOT CHECKED"}
    for report in reports:
        print("\n    ".join((f"{report.subject}: {words[report.verdict]}", *report.lines)))  # noqa: T201
    return overall(reports)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
