"""Send thousands of hostile requests over several connections, with ordinary ones between them, and keep count."""

import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import httpx

from tests.hostile.attempts import Attempt
from tests.hostile.cast import Actor, Scene
from tests.hostile.generator import Generator
from tests.hostile.judge import mistakes
from tests.hostile.wire import LARGE, Answer, Line, MalformedAnswerError
from tests.sellers import STATS

CONNECTIONS: Final = 12
ORDINARY: Final = 15
"""Every so many requests one is an ordinary read of a bystander, who must see just what they always saw."""

_MOST: Final = 20
"""Mistakes that are told; with more of them the rest is not worth the wait."""


@dataclass(slots=True)
class Tally:
    """What came of it."""

    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)
    ordinary: int = 0
    reopened: int = 0
    slowest: tuple[float, str] = (0.0, "")
    mistakes: list[str] = field(default_factory=list)

    def take(self, attempt: Attempt, answers: list[Answer], told: list[str], seconds: float) -> None:
        """Count one request."""
        self.slowest = max(self.slowest, (seconds, f"{attempt.kind} {attempt.raw[:60]!r}"))
        self.kinds[attempt.kind] += 1
        self.statuses.update(answer.status for answer in answers)
        self.silent.update([] if answers else [attempt.kind])
        self.mistakes += told

    def lines(self) -> str:
        """Return it for people."""
        return (
            f"by status {dict(sorted(self.statuses.items()))}; by kind {dict(self.kinds)}; "
            f"unanswered {dict(self.silent)}; {self.ordinary} ordinary reads; "
            f"{self.reopened} connections reopened; slowest {self.slowest[0]:.2f} s: {self.slowest[1]}"
        )


class Campaign:
    """One run of the generator against the application."""

    def __init__(self, scene: Scene, generator: Generator) -> None:
        """Remember what the bystanders see before it begins."""
        self._scene, self._generator = scene, generator
        self._tally, self._lock = Tally(), threading.Lock()
        self._ordinary = [read for someone in scene.bystanders for read in _reads(someone)]
        self._expected = [_seen(read()) for read in self._ordinary]

    def run(self, requests: int) -> Tally:
        """Send `requests` of them, or fewer when too many mistakes were found."""
        numbers = iter(range(requests))
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            for done in [threads.submit(self._work, numbers) for _ in range(CONNECTIONS)]:
                done.result()
        return self._tally

    def _work(self, numbers: Iterator[int]) -> None:
        with Line(self._scene.server.port) as line:
            while len(self._tally.mistakes) < _MOST:
                with self._lock:
                    number = next(numbers, None)
                if number is None:
                    break
                if number % ORDINARY:
                    self._attack(line, number)
                else:
                    self._read(number // ORDINARY)
            with self._lock:
                self._tally.reopened += line.lost

    def _attack(self, line: Line, number: int) -> None:
        attempt = self._generator(number)
        began = time.monotonic()
        try:
            answers = line.ask(attempt)
            wrong = mistakes(attempt, answers, self._scene.everybody)
        except (OSError, MalformedAnswerError, ValueError) as error:
            line.close()
            answers, wrong = [], [] if _may_break(attempt, error) else [f"{type(error).__name__}: {error}"]
        told = [f"request {number}: {words}: {_shown(attempt, answers)}" for words in wrong]
        with self._lock:
            self._tally.take(attempt, answers, told, time.monotonic() - began)

    def _read(self, turn: int) -> None:
        which = turn % len(self._ordinary)
        answer = self._ordinary[which]()
        with self._lock:
            self._tally.ordinary += 1
            if _seen(answer) != self._expected[which]:
                self._tally.mistakes.append(f"a bystander saw {answer.status_code} {answer.text[:500]}")


def _reads(someone: Actor) -> list[Callable[[], httpx.Response]]:
    """Return the ordinary reads of a seller: the numbers, the list, one product, and the list as a page."""
    http = someone.seller.http
    paths = (STATS, STATS, "/products", f"/products/{someone.products[0]}", "/products/export")
    return [functools.partial(http.get, path) for path in paths]


def _seen(answer: httpx.Response) -> tuple[int, bytes]:
    return answer.status_code, answer.content


def _shown(attempt: Attempt, answers: Iterable[Answer]) -> str:
    answered = [(answer.status, answer.raw[:600]) for answer in answers]
    return f"{attempt.kind} {attempt.raw[:1500]!r} was answered {answered}"


def _may_break(attempt: Attempt, error: Exception) -> bool:
    """Tell whether a connection may end like this: what is large may be refused before all of it was read."""
    return isinstance(error, ConnectionError) and (len(attempt.raw) >= LARGE or attempt.loose)
