"""The files around the code: CI, pre-commit hooks, and the commands that the documents name."""

import re
import tomllib
from typing import Final

from local import ROOT
from tests.fast import SLOW_FILES

WORKFLOW: Final = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
MAKEFILE: Final = (ROOT / "Makefile").read_text("utf-8")


def test_ci_runs_the_same_command_as_developers_on_each_supported_python() -> None:
    """The oldest version is the one that pyproject.toml requires."""
    assert re.findall(r"^      - run: (.+)$", WORKFLOW, re.MULTILINE) == ["bash .ci/run"]
    listed = re.search(r"python-version: \[(.+)\]", WORKFLOW)
    assert listed
    versions = re.findall(r'"3\.(\d+)"', listed[1])
    required = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    assert required == f">=3.{versions[0]}"
    assert [int(minor) for minor in versions] == list(range(int(versions[0]), int(versions[0]) + len(versions)))


def test_ci_uses_actions_by_commit_and_has_no_write_access() -> None:
    """A tag can be moved to other code; a commit cannot."""
    actions = re.findall(r"uses: (\S+)( # v\S+)?$", WORKFLOW, re.MULTILINE)
    assert len(actions) > 1
    assert [action for action, comment in actions if not comment or not re.search(r"@[0-9a-f]{40}$", action)] == []
    assert re.search(r"^permissions:\n  contents: read$", WORKFLOW, re.MULTILINE)
    assert WORKFLOW.count("write") == 0


def test_pre_commit_runs_the_commands_of_make_lint() -> None:
    """The same tools with the same options, from the same environment."""
    hooks = re.findall(r"^        entry: (.+)$", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"), re.MULTILINE)
    lint = re.findall(r"^\trun (.+?)(?: \.)?;", MAKEFILE, re.MULTILINE)
    commands = [command.replace("$(BIN)", ".venv/bin") for command in lint]
    assert hooks == commands


def test_each_command_that_documents_name_exists() -> None:
    """`make something` in README.md, CONTRIBUTING.md and docs/."""
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(path.read_text("utf-8") for path in documents)
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
    assert len(named) > 8
    assert sorted(named - targets) == []


def test_the_files_that_make_check_leaves_out_exist() -> None:
    """A renamed file would otherwise be run by `make check`."""
    files = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert sorted(SLOW_FILES - files) == []


def test_every_command_is_explained_in_make_help() -> None:
    """Except the two parts of `make test`, and the part of `make check` that other targets run too."""
    phony = {name for line in re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE) for name in line.split()}
    explained = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert phony - explained == {"check-tests", "test-folders", "test-files"}
    assert explained <= phony
