"""Clients that send or read a byte at a time hold no thread, and are closed in the end."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.sellers import Seller, app_environment, new_seller
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
_FEWER = 40  # each asks for much, and there are 16 threads


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
def test_slow_clients_slow_nobody_down(
    served: AppServer, visitor: Seller, manners: dict[str, Manner], quiet: Times, name: str
) -> None:
    """Whatever they are slow at. Each request of others is answered as if they were not there."""
    number = NUMBER if name in _SENDING else _FEWER
    with Crowd(served.port, manners[name], number) as crowd:
        assert wait_until(lambda: crowd.is_served(at_least=4), seconds=30)
        # What else this machine does comes and goes; a thread that is held stays held.
        assert wait_until(lambda: visit(visitor, seconds=0.5).is_as_quick_as(quiet), seconds=8)


@pytest.mark.proof
@pytest.mark.timeout(400)
@pytest.mark.parametrize("names", [[*_SENDING], [*_READING]], ids=["sending", "reading"])
def test_two_hundred_of_each_kind_slow_nobody_down_for_two_minutes(
    served: AppServer, visitor: Seller, manners: dict[str, Manner], names: list[str]
) -> None:
    """They come back whenever they are closed."""
    quiet = visit(visitor, seconds=10)
    with ExitStack() as crowded:
        crowds = [crowded.enter_context(Crowd(served.port, manners[name])) for name in names]
        assert all(wait_until(crowd.is_served, seconds=90) for crowd in crowds)
        beside = visit(visitor, seconds=120)
    print(f"\nquiet: {quiet}\nbeside: {beside}")  # noqa: T201 - the figures of a proof
    assert beside.is_as_quick_as(quiet)
    assert all(crowd.closed >= NUMBER and crowd.longest < 25 for crowd in crowds if crowd.sends)


def test_slow_clients_are_closed_by_a_total_deadline_and_counted_in_the_log(stack: Stack, tmp_path: Path) -> None:
    """However often a byte comes. One line at once, the next after a minute or at the end: together they tell all."""
    log = tmp_path / "log"
    with AppServer(app_environment(stack), workers=1, log=log) as app, Crowd(app.port, _SENDING["head"], 40) as crowd:
        assert wait_until(lambda: crowd.closed >= 40, seconds=20)
        assert crowd.longest < 13
        assert len(_told(log)) == 1
    assert set(crowd.statuses) == {"408"}
    assert len(_told(log)) <= 2
    assert sum(_told(log)) >= 40


def _told(log: Path) -> list[int]:
    """Return what each line about slow clients counts."""
    line = r"slow clients closed: (\d+) \(\1 before their request was whole\)"
    return [int(found) for found in re.findall(line, log.read_text())]
