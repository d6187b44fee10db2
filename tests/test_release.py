"""`make release` tags a commit only if the commit is ready for a release."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from local import ROOT
from local.release import obstacles, record_passed, tag, version

CHANGELOG: Final = "# Changelog\n\n## [1.0.0] - 2026-12-01\n\n- The first release.\n"


def git(directory: Path, *arguments: str) -> str:
    """Run git in `directory` and return what it prints."""
    done = subprocess.run(["git", *arguments], cwd=directory, capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository in which everything is ready for version 1.0.0."""
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "x")
    git(tmp_path, "config", "user.email", "x@example.com")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1.0.0"\n', "utf-8")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, "utf-8")
    (tmp_path / ".gitignore").write_text(".local/\n", "utf-8")
    commit(tmp_path)
    assert record_passed(tmp_path)
    return tmp_path


def commit(directory: Path) -> None:
    """Commit everything."""
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "Change something")


def test_a_release_that_is_ready_is_tagged(repository: Path) -> None:
    """The tag is annotated, and names the version."""
    assert list(obstacles(repository)) == []
    assert tag(repository) == "v1.0.0"
    assert git(repository, "tag", "--list", "--format=%(refname:short) %(objecttype) %(subject)") == (
        "v1.0.0 tag ASIN Desk 1.0.0"
    )


def _change_a_file(directory: Path) -> None:
    (directory / "new.txt").write_text("x", "utf-8")


def _commit_untested(directory: Path) -> None:
    _change_a_file(directory)
    commit(directory)


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def replace(directory: Path) -> None:
        path = directory / name
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
        commit(directory)
        record_passed(directory)

    return replace


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_change_a_file, "There are uncommitted changes"),
        (_commit_untested, "The tests have not passed for this commit"),
        (tag, "The tag v1.0.0 exists"),
        (_replace("pyproject.toml", "1.0.0", "1.0"), "it must be three numbers"),
        (_replace("CHANGELOG.md", "2026-12-01", "unreleased"), "has no section '## [1.0.0] - YYYY-MM-DD'"),
        (_replace("CHANGELOG.md", "- The first release.\n", ""), "The section of 1.0.0 in CHANGELOG.md is empty"),
    ],
    ids=["uncommitted", "untested", "tagged", "version", "no date", "no text"],
)
def test_each_obstacle_is_named(repository: Path, change: Callable[[Path], object], reason: str) -> None:
    """Each obstacle is one line that says what to do."""
    change(repository)
    assert any(reason in line for line in obstacles(repository))


def test_tests_of_uncommitted_changes_are_not_recorded(repository: Path) -> None:
    """They passed for files that no commit contains."""
    _commit_untested(repository)
    (repository / "new.txt").write_text("y", "utf-8")
    assert not record_passed(repository)
    assert any("The tests have not passed" in line for line in obstacles(repository))


def test_nothing_is_recorded_without_a_repository(tmp_path: Path) -> None:
    """.ci/run also works in an exported copy of the files."""
    assert not record_passed(tmp_path)


def test_the_version_is_in_one_place() -> None:
    """The changelog begins with that version; package.json has none."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    first = re.search(r"^## \[(.+?)\] - (unreleased|\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)
    assert first
    assert first[1] == version()
    assert '"version"' not in (ROOT / "package.json").read_text("utf-8")
