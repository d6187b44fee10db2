"""Tests of a thundering herd: 200 clients miss at the same time, and the database is queried once."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from app.caching.policy import Timing
from local.processes import wait_until
from tests.freshness.load import Reply, send_request
from tests.freshness.system import StartSystem, System
from tests.proxy import Fault, http_answer
from tests.sellers import STATS

_CLIENTS: Final = 200
_THREADS: Final = {"THREADS": "100", "REDIS_MAX_CONNECTIONS": "102", "REDIS_TIMEOUT": "2"}
_COMPUTING: Final = 0.3  # seconds
# A worker does not use an entry that may be older than its first contact with the server. It knows the age of an entry
# only with an uncertainty of its round trip time, which is seconds when 200 clients read at once.
_SETTLING: Final = 5.0  # seconds


def _herd(system: System, answer: Callable[[bytes], bytes]) -> tuple[list[tuple[Reply, float]], int]:
    """Return each client's answer and its duration, and the number of queries to the database."""
    calls = list[float]()

    def count_and_delay(original: bytes) -> bytes:
        calls.append(time.monotonic())
        time.sleep(_COMPUTING)
        return answer(original)

    assert system.proxy
    started_at = time.monotonic()
    assert wait_until(lambda: time.monotonic() > started_at + _SETTLING, seconds=2 * _SETTLING)
    system.proxy.fault = Fault(count_and_delay)
    together = threading.Barrier(_CLIENTS)
    with system.sellers(1) as (seller,), ThreadPoolExecutor(_CLIENTS) as clients:

        def reads(_: int) -> tuple[Reply, float]:
            together.wait()
            started = time.monotonic()
            return send_request(system.server.port, seller.token, "GET", STATS), time.monotonic() - started

        return list(clients.map(reads, range(_CLIENTS))), len(calls)


def test_concurrent_misses_are_one_query(start_system: StartSystem) -> None:
    """One reader of both workers computes, and all others use its result."""
    with start_system("ours", proxied=True, **_THREADS) as system:
        answers, calls = _herd(system, lambda original: original)
    assert {reply.status for reply, _ in answers} == {200}
    assert len({reply.note.partition("worker ")[2] for reply, _ in answers}) == 2
    how = Counter(reply.note.partition("worker ")[0] for reply, _ in answers)
    assert calls == 1, how


def test_failing_database_is_queried_once_for_each_wait_time(start_system: StartSystem) -> None:
    """All clients get a 503 within the wait time."""
    with start_system("ours", proxied=True, **_THREADS) as system:
        answers, calls = _herd(system, lambda _: http_answer("500 Internal Server Error", b""))
    slowest = max(seconds for _, seconds in answers)
    assert {reply.status for reply, _ in answers} == {503}
    assert {reply.document["kind"] for reply, _ in answers} == {"unavailable"}
    assert slowest < Timing().wait + 1
    assert calls <= 1 + slowest // Timing().wait
