"""Make concurrent requests to an app, each on its own connection, and record their times and answers."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx

T = TypeVar("T")

Call = Callable[[], httpx.Response]
"""Makes one request."""

_THREADS: Final = 64


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: its start (monotonic seconds), its duration in seconds, and its answer."""

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
def concurrently(*calls: Call) -> Iterator[list[Future[Visit]]]:
    """Make these requests concurrently with the block. The block ends when all are answered."""
    with ThreadPoolExecutor(_THREADS) as threads:
        yield [threads.submit(visit, call) for call in calls]


def at_once(request: Callable[[], T], *, number: int = 8) -> list[T]:
    """Make this request several times concurrently. Of requests in sequence, one worker could answer any number."""
    with ThreadPoolExecutor(number) as threads:
        return [answer.result() for answer in [threads.submit(request) for _ in range(number)]]


@contextmanager
def repeatedly(call: Call, *, pause: float = 0.02) -> Iterator[list[Visit]]:
    """Repeat this request, one at a time, until the block ends. Yield the growing list of visits."""
    visits, stop = list[Visit](), threading.Event()

    def repeat() -> None:
        while not stop.wait(pause):
            visits.append(visit(call))

    with ThreadPoolExecutor(1) as thread:
        repeating = thread.submit(repeat)
        try:
            yield visits
        finally:
            stop.set()
            repeating.result()
