"""A fuzzing campaign: sends hostile requests and ordinary reads over several connections, and collects the results."""

import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import httpx

from tests.hostile.actors import Actor, System
from tests.hostile.attempts import Attempt
from tests.hostile.connection import LARGE, Answer, Connection, MalformedAnswerError
from tests.hostile.generator import Generator
from tests.hostile.oracle import violations
from tests.sellers import STATS

CONNECTIONS: Final = 12
ORDINARY: Final = 15
"""One of this many requests is an ordinary read by a bystander. Its answer must not change."""

_MAX_VIOLATIONS: Final = 20
"""The campaign stops early after this many violations."""


@dataclass(slots=True)
class Results:
    """The results of a campaign."""

    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    ordinary: int = 0
    reopened: int = 0
    slowest: tuple[float, str] = (0.0, "")
    violations: list[str] = field(default_factory=list)

    def add(self, attempt: Attempt, answers: list[Answer], found: list[str], seconds: float) -> None:
        """Add one request and its answers."""
        self.slowest = max(self.slowest, (seconds, f"{attempt.kind} {attempt.raw[:60]!r}"))
        self.kinds[attempt.kind] += 1
        self.statuses.update(answer.status for answer in answers)
        self.unanswered.update([] if answers else [attempt.kind])
        self.violations += found

    def summary(self) -> str:
        """Return a summary as text."""
        return (
            f"by status {dict(sorted(self.statuses.items()))}; by kind {dict(self.kinds)}; "
            f"unanswered {dict(self.unanswered)}; {self.ordinary} ordinary reads; "
            f"{self.reopened} connections reopened; slowest {self.slowest[0]:.2f} s: {self.slowest[1]}"
        )


class Campaign:
    """A run of the generator against the application."""

    def __init__(self, system: System, generator: Generator) -> None:
        """Record what the bystanders see before the first request."""
        self._system, self._generator = system, generator
        self._results, self._lock = Results(), threading.Lock()
        self._ordinary = [read for actor in system.bystanders for read in _reads(actor)]
        self._expected = [_content(read()) for read in self._ordinary]

    def run(self, requests: int) -> Results:
        """Send `requests` requests, or fewer if too many violations were found."""
        numbers = iter(range(requests))
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            for worker in [threads.submit(self._work, numbers) for _ in range(CONNECTIONS)]:
                worker.result()
        return self._results

    def _work(self, numbers: Iterator[int]) -> None:
        with Connection(self._system.server.port) as connection:
            while len(self._results.violations) < _MAX_VIOLATIONS:
                with self._lock:
                    number = next(numbers, None)
                if number is None:
                    break
                if number % ORDINARY:
                    self._attack(connection, number)
                else:
                    self._read(number // ORDINARY)
            with self._lock:
                self._results.reopened += connection.lost

    def _attack(self, connection: Connection, number: int) -> None:
        attempt = self._generator(number)
        began = time.monotonic()
        try:
            answers = connection.send(attempt)
            found = violations(attempt, answers, self._system.actors)
        except (OSError, MalformedAnswerError, ValueError) as error:
            connection.close()
            answers, found = [], [] if _may_disconnect(attempt, error) else [f"{type(error).__name__}: {error}"]
        reports = [f"request {number}: {violation}: {_describe(attempt, answers)}" for violation in found]
        with self._lock:
            self._results.add(attempt, answers, reports, time.monotonic() - began)

    def _read(self, turn: int) -> None:
        index = turn % len(self._ordinary)
        answer = self._ordinary[index]()
        with self._lock:
            self._results.ordinary += 1
            if _content(answer) != self._expected[index]:
                self._results.violations.append(f"a bystander saw {answer.status_code} {answer.text[:500]}")


def _reads(actor: Actor) -> list[Callable[[], httpx.Response]]:
    """Return functions that make the ordinary reads of a seller: the stats, the list, a product, and the export."""
    http = actor.seller.http
    paths = (STATS, STATS, "/products", f"/products/{actor.products[0]}", "/products/export")
    return [functools.partial(http.get, path) for path in paths]


def _content(answer: httpx.Response) -> tuple[int, bytes]:
    return answer.status_code, answer.content


def _describe(attempt: Attempt, answers: Iterable[Answer]) -> str:
    answered = [(answer.status, answer.raw[:600]) for answer in answers]
    return f"{attempt.kind} {attempt.raw[:1500]!r} was answered {answered}"


def _may_disconnect(attempt: Attempt, error: Exception) -> bool:
    """Return whether the connection may break: the server may refuse a large request before it has read all of it."""
    return isinstance(error, ConnectionError) and (len(attempt.raw) >= LARGE or attempt.ambiguous)
