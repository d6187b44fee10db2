"""The cost of every file is near that of an ordinary file of its size or number of rows, and reports are bounded."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.importing.hostile import SHAPES, Cost, cost_of, ordinary_file, relative_cost, structures

_MOST_TIMES = 3
_BASE_SECONDS = 0.02  # allowed for every file
_MOST_REPORTED = 400_000  # characters
_SHORT, _LONG = 1 << 18, 45 << 20


@pytest.fixture(scope="module")
def usual() -> Cost:
    """Measure the cost of an ordinary file of 256 KiB on this machine."""
    return min((cost_of(ordinary_file(_SHORT)) for _ in range(3)), key=lambda cost: cost.seconds)


def _assert_bounded(content: bytes, usual: Cost) -> None:
    for _ in range(3):  # a busy machine may slow down one of the attempts
        cost = cost_of(content)
        if relative_cost(cost, usual) <= _MOST_TIMES or cost.seconds <= _BASE_SECONDS:
            break
    else:
        pytest.fail(f"{relative_cost(cost, usual):.1f} times an ordinary file: {cost}")
    assert cost.reported <= _MOST_REPORTED


@pytest.mark.parametrize("shape", SHAPES)
def test_the_cost_of_each_hostile_shape_is_bounded(shape: str, usual: Cost) -> None:
    """256 KiB of each known shape."""
    _assert_bounded(SHAPES[shape](_SHORT), usual)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck), print_blob=True)
@given(structures(_SHORT // 4))
def test_the_cost_of_generated_files_is_bounded(usual: Cost, content: bytes) -> None:
    """Generated from quotes, blank lines, line ends, delimiters, NULs, byte order marks and cells."""
    _assert_bounded(content, usual)


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_cost_of_the_largest_file_of_each_shape_is_bounded(shape: str, usual: Cost) -> None:
    """The cost is linear in the size."""
    _assert_bounded(SHAPES[shape](_LONG), usual)


@pytest.mark.proof
@pytest.mark.timeout(1800)
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck), print_blob=True)
@given(st.sampled_from([_SHORT // 8, _SHORT // 2, 2 * _SHORT]).flatmap(structures))
def test_the_cost_of_many_generated_files_is_bounded(usual: Cost, content: bytes) -> None:
    """The same test with more and larger structures."""
    _assert_bounded(content, usual)
