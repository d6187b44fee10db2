"""Two hundred clients miss at the same moment: the database hears of it once."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from app.caching.timing import Timing
from local.processes import wait_until
from tests.freshness.load import Reply, ask
from tests.freshness.scene import Scene, Stage
from tests.proxy import Fault, http_answer
from tests.sellers import STATS

_CLIENTS: Final = 200
_THREADS: Final = {"THREADS": "100", "REDIS_MAX_CONNECTIONS": "102", "REDIS_TIMEOUT": "2"}
_COMPUTING: Final = 0.3  # seconds
# A worker does not use an entry that may be older than its first contact with the server. How old an entry is, it knows
# only to the time that its own question took, which in a herd is seconds.
_KNOWN: Final = 5.0


def _herd(scene: Scene, answer: Callable[[bytes], bytes]) -> tuple[list[tuple[Reply, float]], int]:
    """Return each client's answer and how long it took, and how often the database was asked."""
    calls = list[float]()

    def counted(truth: bytes) -> bytes:
        calls.append(time.monotonic())
        time.sleep(_COMPUTING)
        return answer(truth)

    assert scene.proxy
    met = time.monotonic()
    assert wait_until(lambda: time.monotonic() > met + _KNOWN, seconds=2 * _KNOWN)
    scene.proxy.fault = Fault(counted)
    together = threading.Barrier(_CLIENTS)
    with scene.sellers(1) as (seller,), ThreadPoolExecutor(_CLIENTS) as clients:

        def reads(_: int) -> tuple[Reply, float]:
            together.wait()
            started = time.monotonic()
            return ask(scene.server.port, seller.token, "GET", STATS), time.monotonic() - started

        return list(clients.map(reads, range(_CLIENTS))), len(calls)


def test_a_herd_is_one_query(stage: Stage) -> None:
    """One computes, over both workers, and the others take what it found."""
    with stage("ours", proxied=True, **_THREADS) as scene:
        answers, calls = _herd(scene, lambda truth: truth)
    assert {reply.status for reply, _ in answers} == {200}
    assert len({reply.note.partition("worker ")[2] for reply, _ in answers}) == 2
    how = Counter(reply.note.partition("worker ")[0] for reply, _ in answers)
    assert calls == 1, how


def test_a_herd_before_a_failing_database_is_one_query_for_each_wait_time(stage: Stage) -> None:
    """And everybody is told within the wait time that the database is to blame."""
    with stage("ours", proxied=True, **_THREADS) as scene:
        answers, calls = _herd(scene, lambda _: http_answer("500 Internal Server Error", b""))
    slowest = max(seconds for _, seconds in answers)
    assert {reply.status for reply, _ in answers} == {503}
    assert {reply.document["title"] for reply, _ in answers} == {"Service Unavailable"}
    assert slowest < Timing().wait + 1
    assert calls <= 1 + slowest // Timing().wait
