"""Many visitors of an app at once, each on a connection of its own, and how each was served."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx

Call = Callable[[], httpx.Response]
"""Makes one request."""

_THREADS: Final = 64


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: when it began (monotonic seconds), how long it took, and what came back."""

    began: float
    seconds: float
    answer: httpx.Response

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.answer.status_code


def visit(call: Call) -> Visit:
    """Make one request."""
    began = time.monotonic()
    answer = call()
    return Visit(began, time.monotonic() - began, answer)


@contextmanager
def all_at_once(*calls: Call) -> Iterator[list[Future[Visit]]]:
    """Make these requests at the same time; the block runs meanwhile, and ends when all are answered."""
    with ThreadPoolExecutor(_THREADS) as threads:
        yield [threads.submit(visit, call) for call in calls]


@contextmanager
def again_and_again(call: Call, *, pause: float = 0.02) -> Iterator[list[Visit]]:
    """Make this request over and over, one after the other, until the block ends; yield the list of visits so far."""
    visits, stop = list[Visit](), threading.Event()

    def go_on() -> None:
        while not stop.wait(pause):
            visits.append(visit(call))

    with ThreadPoolExecutor(1) as thread:
        going = thread.submit(go_on)
        try:
            yield visits
        finally:
            stop.set()
            going.result()
