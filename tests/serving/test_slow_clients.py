"""Clients that send or read a byte at a time hold no thread, and are closed in the end."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.sellers import Seller, new_seller
from tests.serving.crowds import NUMBER, Crowd, Manner, asking, head
from tests.serving.visits import Times, visit

_UPLOAD = ("Content-Type: text/csv", "Content-Length: 10000000")
_SENDING = {
    "head": Manner(head("GET /healthz", "X-Slow: "), b"a"),
    "body": Manner(head("POST /sign-in", "Content-Length: 60000") + b"\r\n", b"a"),
    "long body": Manner(head("POST /sign-in", *_UPLOAD) + b"\r\n", b"a"),
    "chunked body": Manner(head("POST /sign-in", "Transfer-Encoding: chunked") + b"\r\n" + b"ffff\r\n", b"a"),
    "expected body": Manner(head("POST /sign-in", "Content-Length: 60000", "Expect: 100-continue") + b"\r\n", b"a"),
}
_READING = {"answer": "GET /products?limit=200", "download": "GET /products/export"}
_SLACK = 0.02  # seconds; what the crowd itself costs a machine of two cores


@pytest.fixture
def visitor(stack: Stack, served: AppServer) -> Iterator[Seller]:
    """Return a new user of the app."""
    with new_seller(stack.supabase, served.url) as new:
        yield new


@pytest.fixture(scope="module")
def manners(collector: Seller) -> dict[str, Manner]:
    """Return all ways to be slow."""
    return _SENDING | {name: asking(line, collector.token) for name, line in _READING.items()}


@pytest.fixture(scope="module")
def quiet(stack: Stack, served: AppServer) -> Times:
    """Return how long answers take when nobody is slow."""
    with new_seller(stack.supabase, served.url) as someone:
        return visit(someone, seconds=2)


@pytest.mark.parametrize("name", [*_SENDING, *_READING])
def test_two_hundred_slow_clients_slow_nobody_down(
    served: AppServer, visitor: Seller, manners: dict[str, Manner], quiet: Times, name: str
) -> None:
    """Whatever they are slow at. Each request of others is answered as if they were not there."""
    with Crowd(served.port, manners[name]):
        _is_as_quick(visit(visitor, seconds=1), quiet)


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("names", [[*_SENDING], [*_READING]], ids=["sending", "reading"])
def test_two_hundred_of_each_kind_slow_nobody_down_for_two_minutes(
    served: AppServer, visitor: Seller, manners: dict[str, Manner], names: list[str]
) -> None:
    """They come back whenever they are closed."""
    quiet = visit(visitor, seconds=10)
    with ExitStack() as crowded:
        crowds = [crowded.enter_context(Crowd(served.port, manners[name])) for name in names]
        _is_as_quick(visit(visitor, seconds=120), quiet)
    assert all(crowd.closed >= NUMBER for crowd in crowds if crowd.sends)
    assert all(crowd.longest < 25 for crowd in crowds if crowd.sends)


def _is_as_quick(beside: Times, quiet: Times) -> None:
    told = f"median {quiet.median:.4f} {beside.median:.4f}, high {quiet.high:.4f} {beside.high:.4f}"
    print(told)  # noqa: T201 - the figures of a proof
    assert beside.median <= 2 * quiet.median + _SLACK, told
    assert beside.high <= 2 * quiet.high + 3 * _SLACK, told


def test_slow_clients_are_closed_by_a_total_deadline_and_logged_in_one_line(served: AppServer, log: Path) -> None:
    """However often a byte comes; the line counts them."""
    told = log.read_text().count("slow clients closed")
    with Crowd(served.port, _SENDING["head"], number=40) as crowd:
        assert wait_until(lambda: crowd.closed >= 40, seconds=15)
        assert crowd.longest < 12
    assert set(crowd.statuses) == {"408"}
    lines = [line for line in log.read_text().splitlines() if "slow clients closed" in line]
    assert len(lines) - told <= 2  # one for each worker, and none before a minute has passed
    assert all(re.search(r"slow clients closed: \d+ \(.*\d+ before their request was whole", line) for line in lines)
