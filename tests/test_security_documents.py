"""The tests that SECURITY.md and docs/asvs.md name exist."""

import ast
import functools
import re
from pathlib import Path
from typing import Final

import pytest

from local import ROOT

DOCUMENTS: Final = ("SECURITY.md", "docs/asvs.md")
_TEST: Final = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
# Requirements of levels 1 and 2 in each chapter of ASVS 5.0.0.
_REQUIREMENTS: Final = dict(
    zip(range(1, 18), (27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 7), strict=True)
)


@functools.cache
def _tests_in(path: Path) -> frozenset[str]:
    """Return the names of the tests in a file, without importing it; empty if the file does not exist."""
    if not path.exists():
        return frozenset()
    tree = ast.parse(path.read_text("utf-8"))
    found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return frozenset(name for name in found if name.startswith("test_"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_named_test_exists(document: str) -> None:
    """If a test is renamed or deleted, the documents must be changed too."""
    named = _TEST.findall((ROOT / document).read_text("utf-8"))
    assert len(named) > 20
    assert [f"{file}::{test}" for file, test in named if test not in _tests_in(ROOT / file)] == []


def test_each_line_of_the_threat_model_names_a_test() -> None:
    """Every claim of the threat model is tested."""
    rows = [line for line in (ROOT / "SECURITY.md").read_text("utf-8").splitlines() if line.startswith("|")]
    claims = [row for row in rows if not re.match(r"\|( who|---)", row)]
    assert len(claims) >= 9
    assert [row for row in claims if not _TEST.search(row)] == []


def test_every_requirement_of_levels_one_and_two_is_listed_once() -> None:
    """Each requirement has one of five states. None is missing and none is invented."""
    rows = re.findall(r"^\| ([\d., ]+) \| ([^|]+) \| ", (ROOT / "docs" / "asvs.md").read_text("utf-8"), re.MULTILINE)
    assert {state for _, state in rows} == {"met", "not met", "Supabase", "hosting", "does not apply"}
    numbers = [number for numbers_in_row, _ in rows for number in numbers_in_row.split(", ")]
    assert sorted(number for number in set(numbers) if numbers.count(number) > 1) == []
    chapters = [int(number.partition(".")[0]) for number in numbers]
    assert {chapter: chapters.count(chapter) for chapter in _REQUIREMENTS} == _REQUIREMENTS
