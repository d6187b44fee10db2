"""No file costs much more than an ordinary one of its size and number of rows, nor makes a longer report."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.importing.hostile import SHAPES, Cost, cost_of, ordinary, structures, times_of_ordinary

_MOST_TIMES = 3
_SOME_SECONDS = 0.02  # that every file may cost, however small it is
_MOST_TOLD = 400_000  # characters
_SHORT, _LONG = 1 << 18, 45 << 20


@pytest.fixture(scope="module")
def usual() -> Cost:
    """Return what an ordinary file of a quarter of a megabyte costs, on this machine now."""
    return min((cost_of(ordinary(_SHORT)) for _ in range(3)), key=lambda cost: cost.seconds)


def _assert_bounded(content: bytes, usual: Cost) -> None:
    for _ in range(3):  # a machine that is busy elsewhere makes any of them look slow once
        cost = cost_of(content)
        if times_of_ordinary(cost, usual) <= _MOST_TIMES or cost.seconds <= _SOME_SECONDS:
            break
    else:
        pytest.fail(f"{times_of_ordinary(cost, usual):.1f} times an ordinary file: {cost}")
    assert cost.told <= _MOST_TOLD


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_made_to_be_expensive_is_not(shape: str, usual: Cost) -> None:
    """For each way that was thought of, a quarter of a megabyte of it."""
    _assert_bounded(SHAPES[shape](_SHORT), usual)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck), print_blob=True)
@given(structures(_SHORT // 4))
def test_nor_is_one_of_any_structure(usual: Cost, content: bytes) -> None:
    """Quotes, blank lines, line ends, delimiters, NULs, byte order marks and cells in any order and any number."""
    _assert_bounded(content, usual)


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_largest_file_of_each_kind_costs_no_more_per_megabyte(shape: str, usual: Cost) -> None:
    """Nothing grows faster than the file does."""
    _assert_bounded(SHAPES[shape](_LONG), usual)


@pytest.mark.proof
@pytest.mark.timeout(1800)
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck), print_blob=True)
@given(st.sampled_from([_SHORT // 8, _SHORT // 2, 2 * _SHORT]).flatmap(structures))
def test_nor_does_one_of_any_structure(usual: Cost, content: bytes) -> None:
    """The long form: more structures, and longer ones."""
    _assert_bounded(content, usual)
