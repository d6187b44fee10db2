"""Tests of keys made from arguments: equal calls share a key, different calls do not, in every process."""

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.caching.keys import NamedKeys
from local import ROOT


class Text(StrEnum):
    """An enum whose member equals a string."""

    A = "a"


class Number(IntEnum):
    """An enum whose member equals a number."""

    ONE = 1


class Plain(Enum):
    """An enum whose member equals only itself."""

    ONE = 1


class Named:
    """A class with `__caching_id__`."""

    def __init__(self, name: str) -> None:
        """Set the name."""
        self.name = name

    def __caching_id__(self) -> str:
        """Return the name."""
        return self.name


def _function(argument: object, **rest: object) -> None:
    """Accept any arguments."""


KEYS = NamedKeys(_function)
_UUID = UUID(int=7)
DISTINCT: list[Any] = [
    None, True, 1, 1.0, "1", Number.ONE, Plain.ONE, Decimal(1), "a", Text.A, b"a", [1, 2], (1, 2), {1, 2}, {1: 2},
    {"1": 2}, [["1", 2]], {"dict": [[1, 2]]}, {"tuple": [1, 2]}, {}, [], (), set(), _UUID, str(_UUID), int, "int",
    dt.date(2026, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "2026-01-01", Named("a"), Named("b"),
    '",', '","', ["a", "b"], ['a","b'],
]  # fmt: skip


def test_different_arguments_have_different_keys() -> None:
    """Also arguments that are equal in JSON or by Python's `==`."""
    assert len({KEYS(value) for value in DISTINCT}) == len(DISTINCT)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


@given(_VALUES, _VALUES)
def test_keys_are_equal_if_and_only_if_the_arguments_are(one: object, other: object) -> None:
    """Arguments are equal here if value and type are, which the test compares by `repr`."""

    def same(value: Any) -> Any:  # noqa: ANN401 - any of them
        if isinstance(value, dict):
            return ("dict", sorted((repr(same(key)), repr(same(item))) for key, item in value.items()))
        return (type(value), [same(item) for item in value]) if isinstance(value, (list, tuple)) else repr(value)

    assert (KEYS(one) == KEYS(other)) == (same(one) == same(other))


def test_key_does_not_depend_on_the_order_of_names() -> None:
    """Holds for keyword arguments, dictionaries and sets."""
    assert KEYS(1, a=1, b=2) == KEYS(1, b=2, a=1)
    assert KEYS({"a": 1, "b": 2}) == KEYS({"b": 2, "a": 1})
    assert KEYS({"a", "b", "c"}) == KEYS({"c", "b", "a"})


@pytest.mark.parametrize("value", [object(), lambda: 1, NamedKeys], ids=["object", "function", "class"])
def test_argument_without_a_stable_key_is_refused(value: object) -> None:
    """An address differs between processes, and is reused for other objects."""
    if isinstance(value, type):
        assert KEYS(value)
        return
    with pytest.raises(TypeError, match="__caching_id__"):
        KEYS(value)


def test_call_with_wrong_arguments_is_refused() -> None:
    """It raises TypeError, as the function itself would."""
    with pytest.raises(TypeError, match="argument"):
        KEYS()


def test_key_is_the_same_in_another_process() -> None:
    """Hashes and the order of sets differ between processes; keys must not."""
    code = "from tests.caching.test_keys import *; print([KEYS(value) for value in DISTINCT])"
    completed = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
        env={"PYTHONHASHSEED": "1"},
    )  # fmt: skip
    assert completed.stdout.strip() == str([KEYS(value) for value in DISTINCT])
