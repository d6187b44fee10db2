"""Clients that send or read one byte at a time occupy no thread, and are closed after a deadline."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.sellers import Seller, app_environment, new_seller
from tests.serving.crowds import NUMBER, Behaviour, Crowd, head, slow_reader
from tests.serving.visits import Times, visit

_UPLOAD = ("Content-Type: text/csv", "Content-Length: 10000000")
_SENDING = {
    "head": Behaviour(head("GET /healthz", "X-Slow: "), b"a"),
    "body": Behaviour(head("POST /sign-in", "Content-Length: 60000") + b"\r\n", b"a"),
    "long body": Behaviour(head("POST /sign-in", *_UPLOAD) + b"\r\n", b"a"),
    "chunked body": Behaviour(head("POST /sign-in", "Transfer-Encoding: chunked") + b"\r\n" + b"ffff\r\n", b"a"),
    "expected body": Behaviour(head("POST /sign-in", "Content-Length: 60000", "Expect: 100-continue") + b"\r\n", b"a"),
}
_READING = {"answer": "GET /products?limit=200", "download": "GET /products/export"}
_FEWER = 40  # each requests a large answer, and there are 16 threads


@pytest.fixture
def visitor(stack: Stack, served: AppServer) -> Iterator[Seller]:
    """Return a new user of `served`."""
    with new_seller(stack.supabase, served.url) as new:
        yield new


@pytest.fixture(scope="module")
def behaviours(collector: Seller) -> dict[str, Behaviour]:
    """Return every behaviour of slow clients by name."""
    return _SENDING | {name: slow_reader(line, collector.token) for name, line in _READING.items()}


@pytest.fixture
def quiet(visitor: Seller) -> Times:
    """Measure the durations of answers just before the slow clients come, because other load on the machine changes."""
    return visit(visitor, seconds=2)


@pytest.mark.parametrize("name", [*_SENDING, *_READING])
def test_slow_clients_do_not_delay_others(
    served: AppServer, visitor: Seller, behaviours: dict[str, Behaviour], quiet: Times, name: str
) -> None:
    """For every kind of slow client, requests of other clients are answered as without them."""
    number = NUMBER if name in _SENDING else _FEWER
    with Crowd(served.port, behaviours[name], number) as crowd:
        assert wait_until(lambda: crowd.is_served(at_least=4), seconds=30)
        # Retry, because other load on the machine is temporary. An occupied thread would stay occupied.
        assert wait_until(lambda: visit(visitor, seconds=0.5).is_as_quick_as(quiet), seconds=8)


@pytest.mark.proof
@pytest.mark.timeout(400)
@pytest.mark.parametrize("names", [[*_SENDING], [*_READING]], ids=["sending", "reading"])
def test_200_slow_clients_of_each_kind_do_not_delay_others_for_two_minutes(
    served: AppServer, visitor: Seller, behaviours: dict[str, Behaviour], names: list[str]
) -> None:
    """Clients that the server closes connect again."""
    quiet = visit(visitor, seconds=10)
    with ExitStack() as open_crowds:
        crowds = [open_crowds.enter_context(Crowd(served.port, behaviours[name])) for name in names]
        assert all(wait_until(crowd.is_served, seconds=90) for crowd in crowds)
        with_crowds = visit(visitor, seconds=120)
    print(f"\nquiet: {quiet}\nwith slow clients: {with_crowds}")  # noqa: T201 - the figures of a proof
    assert with_crowds.is_as_quick_as(quiet)
    assert all(crowd.closed >= NUMBER and crowd.longest < 25 for crowd in crowds if crowd.sends)


def test_slow_clients_are_closed_after_a_total_deadline_and_counted_in_the_log(stack: Stack, tmp_path: Path) -> None:
    """Bytes that arrive regularly do not extend the deadline.

    One line is logged immediately. Later clients are counted in a second line, after 1 min or at the shutdown.
    """
    log = tmp_path / "log"
    with AppServer(app_environment(stack), workers=1, log=log) as app, Crowd(app.port, _SENDING["head"], 40) as crowd:
        assert wait_until(lambda: crowd.closed >= 40, seconds=40)
        assert crowd.longest < 15
        assert len(_logged_counts(log)) == 1
    assert set(crowd.statuses) == {"408"}
    assert len(_logged_counts(log)) <= 2
    assert sum(_logged_counts(log)) >= 40


def _logged_counts(log: Path) -> list[int]:
    """Return the counts in the log lines about slow clients."""
    line = r"slow clients closed: (\d+) \(\1 before their request was complete\)"
    return [int(found) for found in re.findall(line, log.read_text())]
