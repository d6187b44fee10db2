"""Threads that run real code and stop before every step that other threads can observe.

Each thread is a greenlet. It runs the real code (`changing_stats`, `asin_status_stats`, the protocol, its guard and
its breaker) up to the next step: a Redis script, a ping, a check of the shared marks, recording an owed delete, or a
database call. It then yields the step to its caller. The caller decides which steps of other threads happen first, and
resumes the thread with the answer to its step.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from greenlet import GreenletExit, getcurrent, greenlet  # type: ignore[import-untyped]  # ships no types
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.caching import scripts
from app.caching.breaker import CircuitBreaker
from app.caching.connection import Link
from app.caching.incarnation import Incarnation
from app.caching.policy import Timing
from app.caching.shared import SharedRegion
from app.database import DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError
from tests.caching.steps import CompletedStep, Effect, PendingStep

if TYPE_CHECKING:
    from redis import Redis

    from tests.caching.workers import Worker

_SCRIPTS: Final = {digest: name for name, digest in scripts._DIGESTS.items()}  # noqa: SLF001 - to know what is sent
"""Names of the scripts by their SHA-1 digest."""
_ERRORS: Final[Mapping[object, Callable[[], Exception]]] = {
    "timeout": lambda: RedisTimeoutError("no answer"),
    "disconnect": lambda: RedisConnectionError("connection lost"),
    "refusal": lambda: ResponseError("OOM command not allowed when used memory > 'maxmemory'."),
    "unavailable": DatabaseUnavailableError,
    "unknown": OutcomeUnknownError,
    "rejected": lambda: DatabaseRefusalError(409, "PT409", "no", None),
}
"""Answers that raise an error: three of Redis, then three of the database."""
BEFORE_ANSWER: Final = {"marked?", "read"}
"""Steps of a reader that has no answer yet and has not queried the database."""


class Thread(greenlet):  # type: ignore[misc]  # greenlet has no types
    """A thread of a worker. `memory` holds the answers in its current operation that still affect its future."""

    def __init__(self, worker: "Worker", name: str, program: Callable[[], None]) -> None:
        """Prepare to run `program`."""
        super().__init__(program, worker.hub)
        self.worker, self.name, self.operation = worker, name, -1
        self.pending, self.memory = PendingStep(""), tuple[CompletedStep, ...]()
        self._start_operation()

    def take(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - any answer
        """Stop before a step. When resumed, return the answer, or raise its error."""
        if self.worker.closed:
            raise GreenletExit
        self.pending = PendingStep(name, arguments)
        try:
            answer = self.worker.hub.switch()
        except GreenletExit:
            self.worker.closed = True  # the worker is discarded: its cleanup code takes no steps
            raise
        self.starts = False
        self._remember(name, arguments, answer)
        if answer in _ERRORS:
            error = _ERRORS[answer]
            raise error()
        return list(answer) if isinstance(answer, tuple) else answer

    def _remember(self, name: str, arguments: tuple[object, ...], answer: object) -> None:
        """Record what the rest of the operation depends on."""
        if name in ("select", "commit"):
            self.memory += (CompletedStep(name, arguments, answer),)
        elif name == "begin":
            self.memory += (CompletedStep(name, (), isinstance(answer, int)),)
        elif name == "read" or (name == "marked?" and answer):  # a later read replaces an earlier one
            found = answer if isinstance(answer, int) else ""
            self.memory = (CompletedStep(name, arguments[:1] if name == "read" and found == 0 else (), found),)

    def completed(self, effect: str, value: int = 0) -> None:
        """End the operation. Any remaining state of it is in the engine, not in this thread."""
        self.worker.effects.append(Effect(effect, self.name, value))
        self._start_operation()

    def _start_operation(self) -> None:
        self.operation, self.memory, self.clock, self.starts = self.operation + 1, (), 0.0, True

    def token(self, random_token: str) -> bytes:
        """Return a name for a random token. It is the same whenever the thread took the same steps.

        A thread uses at most one of the tokens it creates in an operation, so all of them may share one name.
        """
        return self.worker.tokens.setdefault(random_token, self.name_of_token) if random_token else b""

    @property
    def name_of_token(self) -> bytes:
        """The name of the token of the current operation."""
        return f"{self.name}.{self.operation}".encode()

    @property
    def key(self) -> tuple[object, ...]:
        """Everything that this thread's future depends on, except for the state of its worker."""
        clock = self.clock if self.pending.name in BEFORE_ANSWER else 0.0  # later steps do not wait
        return self.name, self.operation, self.pending, self.starts, clock, self.memory


@contextmanager
def stepping() -> Iterator[None]:
    """Replace the engine's shared state, threads and database call, so that workers can be created inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.products.stats.own_repository", _SteppedRepository)
        patch.setattr("app.caching.writers.CircuitBreaker", SteppedBreaker)
        patch.setattr("app.caching.breaker.threading", _Threading)
        yield


def current() -> Thread:
    """Return the running thread."""
    return cast("Thread", getcurrent())


def clock() -> float:
    """Return the seconds since the running thread's operation began. Only sleeping takes time."""
    return current().clock


def sleep(seconds: float) -> None:
    """Let a reader poll exactly twice: advance its clock to the end of the wait time. For a writer this is a step."""
    thread = current()
    if thread.name.startswith("W"):
        thread.take("outlast", thread.name_of_token)
    else:
        thread.clock += max(seconds, Timing().wait)


class _SteppedRepository:
    """The repository of a stepped thread: reading the breakdown is a step."""

    def __init__(self, _user_id: str) -> None:
        """Belong to any user."""

    @staticmethod
    def asin_stats() -> dict[str, int]:
        bits = current().take("select")
        return {"all": bits, "asin_found": bits, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}


class SteppedRedis:
    """Replacement of the Redis client in which each script call is a step."""

    @property
    def link(self) -> Link:
        """A link that sends its commands to this client."""
        return Link(
            client=cast("Redis", self),
            max_connections=1,
            send_as_reader=self.send,
            send_as_writer=self.send,
            incarnation=Incarnation(clock=clock),
        )

    @staticmethod
    def send(command: tuple[Any, ...]) -> object:
        """Take the step of a script call, with the token replaced by its name."""
        thread = current()
        _, digest, _, _, *arguments = command
        if isinstance(arguments[0], str):
            arguments[0] = thread.token(arguments[0])
        return thread.take(_SCRIPTS[digest], *arguments)

    @staticmethod
    def ping() -> object:
        """Take the step of a probe."""
        return current().take("ping")


class Region(SharedRegion):
    """Replacement of the memory that workers share. Checking a mark is a step."""

    def __init__(self) -> None:
        """Map no memory: the exploration keeps the marks."""

    def mark(self, key: str, *, seconds: float) -> None:  # noqa: ARG002 - no time passes
        """Report the mark to the exploration."""
        current().worker.effects.append(Effect("mark", current().name))

    def unmark(self) -> None:
        """Report the removal of the mark to the exploration."""
        current().worker.effects.append(Effect("unmark", current().name))

    def is_marked(self, key: str) -> bool:  # noqa: ARG002 - there is only one key
        """Return the exploration's answer."""
        return bool(current().take("marked?"))

    def count(self, name: str) -> None:
        """Count nothing."""


class SteppedBreaker(CircuitBreaker):
    """The real breaker. Other threads may run between a failure and the recording of its owed delete."""

    def owe(self, key: str, token: str, *, lifetime: float) -> None:
        """Stop before the step, then record the owed delete."""
        current().take("owe", current().token(token))
        super().owe(key, token, lifetime=lifetime)

    def snapshot(self, tokens: Mapping[str, bytes]) -> tuple[object, ...]:
        """Return everything that the breaker's future depends on, with names for the tokens."""
        owed = tuple(tokens[token] for _, token in self._owed)
        return self.state, owed, self._probe_pid is None


class _Threading:
    """Replacement of `threading` in the breaker's module: the probe becomes a thread of the worker."""

    Lock = threading.Lock

    class Thread:
        def __init__(self, target: Callable[[], None], name: str, daemon: bool) -> None:  # noqa: FBT001 - threading's
            assert daemon
            self._name, self._target = name, target

        def start(self) -> None:
            current().worker.spawn(self._name, lambda _thread: self._target())

    class Event:
        def wait(self, _seconds: float) -> None:
            """Return at once: other threads may run between two pings anyway."""
