"""Check that everything is ready for a release, and tag it (`make release`).

The version is in `pyproject.toml` and nowhere else. `.ci/run` records the commit for which all tests have passed.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from local import ROOT

__all__ = ["obstacles", "record_passed", "tag", "version"]

_PASSED: Final = Path(".local", "passed")
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+")


def version(root: Path = ROOT) -> str:
    """Return the version of the project."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def record_passed(root: Path = ROOT) -> bool:
    """Record that all tests have passed for the current commit.

    Returns False, and records nothing, where there are uncommitted changes or no git repository.
    """
    try:
        if _git(root, "status", "--porcelain"):
            return False
        commit = _git(root, "rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return False
    (root / _PASSED).parent.mkdir(exist_ok=True)
    (root / _PASSED).write_text(f"{commit}\n", "utf-8")
    return True


def obstacles(root: Path = ROOT) -> Iterator[str]:
    """Yield one line for each thing that must be done before the release can be tagged."""
    number = version(root)
    if not _VERSION.fullmatch(number):
        yield f"The version in pyproject.toml is {number}; it must be three numbers, such as 1.0.0."
    if _git(root, "status", "--porcelain"):
        yield "There are uncommitted changes: commit or remove them."
    if _git(root, "tag", "--list", f"v{number}"):
        yield f"The tag v{number} exists: raise the version in pyproject.toml."
    changes = _section(root, number)
    if changes is None:
        yield f"CHANGELOG.md has no section '## [{number}] - YYYY-MM-DD': add one, or put the date in."
    elif not changes.strip():
        yield f"The section of {number} in CHANGELOG.md is empty."
    passed = root / _PASSED
    if not passed.exists() or passed.read_text("utf-8").strip() != _git(root, "rev-parse", "HEAD"):
        yield "The tests have not passed for this commit: run .ci/run."


def tag(root: Path = ROOT) -> str:
    """Tag the current commit with the version and return the name of the tag."""
    number = version(root)
    _git(root, "tag", "--annotate", "--message", f"ASIN Desk {number}", f"v{number}")
    return f"v{number}"


def _section(root: Path, number: str) -> str | None:
    """Return the text of the version's section in CHANGELOG.md; None if there is no section with a date."""
    text = (root / "CHANGELOG.md").read_text("utf-8")
    heading = rf"^## \[{re.escape(number)}\] - \d{{4}}-\d{{2}}-\d{{2}}$"
    found = re.search(rf"{heading}(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.strip()


def main(*, passed: bool) -> int:
    """Record a passed test run, or check and tag a release. Returns the exit status."""
    if passed:
        print("All tests passed." if record_passed() else "All tests passed; not recorded for a release.")  # noqa: T201
        return 0
    try:
        found = list(obstacles())
    except subprocess.CalledProcessError as error:
        found = [str(error.stderr).strip()]
    if found:
        print("\n".join(("The release is not ready:", *found)))  # noqa: T201
        return 1
    print(f"Tagged {tag()}. Publish it with: git push origin v{version()}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(passed="--passed" in sys.argv[1:]))
