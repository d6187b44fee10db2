"""Threads that run real code and stop before every step that others can notice, and go on when they are told to.

Each thread is a greenlet. It runs the real code (`changing_stats`, `asin_status_stats`, the protocol, its guard and
its breaker) up to the next step: a Redis script, a ping, a look at the shared marks, a debt, a database call. There it
hands the step to whoever resumed it, who decides what happens elsewhere first, and what the answer is.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import pytest
from greenlet import GreenletExit, getcurrent, greenlet  # type: ignore[import-untyped]  # ships none
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.caching import protocol
from app.caching.breaker import CircuitBreaker
from app.caching.connection import Link
from app.caching.incarnation import Incarnation
from app.caching.shared import SharedRegion
from app.caching.timing import Timing
from app.database import DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError

if TYPE_CHECKING:
    from redis import Redis

    from tests.caching.workers import Worker

_LUA: Final = Path(protocol.__file__).parent / "lua"
_SCRIPTS: Final = {
    hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest(): file.stem for file in _LUA.glob("*.lua")
}
"""Scripts by the digest they are called with."""
_ERRORS: Final[Mapping[object, Callable[[], Exception]]] = {
    "timeout": lambda: RedisTimeoutError("no answer"),
    "disconnect": lambda: RedisConnectionError("connection lost"),
    "refusal": lambda: ResponseError("OOM command not allowed when used memory > 'maxmemory'."),
    "unavailable": DatabaseUnavailableError,
    "unknown": OutcomeUnknownError,
    "no": lambda: DatabaseRefusalError(409, "PT409", "no", None),
}
"""Answers that are errors: three of Redis, three of the database."""
LOOKING: Final = {"marked?", "read"}
"""Steps of a reader that has no answer yet and has not asked the database."""


class Request(NamedTuple):
    """A step a thread is about to take: a script with its ARGV, `marked?`, `owe`, `ping`, `select` or `commit`."""

    name: str
    arguments: tuple[Any, ...] = ()


class Memory(NamedTuple):
    """A step that was taken, with its answer."""

    name: str
    arguments: tuple[Any, ...]
    answer: object


class Effect(NamedTuple):
    """What a thread did without stopping: `mark`, `unmark`, or how an operation ended: `answer`, `acknowledge`, `fail`.

    `value`: the writes the answer shows, or the write acknowledged, as bits.
    """

    name: str
    thread: str
    value: int = 0


class Thread(greenlet):  # type: ignore[misc]  # same
    """A thread of a worker. `memory`: what it saw in its current operation that still matters to its future."""

    def __init__(self, worker: "Worker", name: str, program: Callable[[], None]) -> None:
        """Prepare to run `program`."""
        super().__init__(program, worker.hub)
        self.worker, self.name, self.operation = worker, name, -1
        self.pending = Request("")
        self._forget()

    def ask(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever answers the step
        """Stop before a step; return its answer, or raise the error that is its answer."""
        if self.worker.closed:
            raise GreenletExit
        self.pending = Request(name, arguments)
        try:
            answer = self.worker.hub.switch()
        except GreenletExit:
            self.worker.closed = True  # nobody needs this worker any more; what it does on its way out is no step
            raise
        self.starts = False
        if name in ("select", "commit") or (name == "read" and answer == 0):
            self.memory += (Memory(name, arguments, answer),)
        if answer in _ERRORS:
            error = _ERRORS[answer]
            raise error()
        return list(answer) if isinstance(answer, tuple) else answer

    def completed(self, effect: str, value: int = 0) -> None:
        """End the operation: what is left of it is in the engine, not in this thread."""
        self.worker.effects.append(Effect(effect, self.name, value))
        self._forget()

    def _forget(self) -> None:
        self.operation, self.memory, self.clock, self.starts = self.operation + 1, tuple[Memory, ...](), 0.0, True

    def token(self, drawn: str) -> bytes:
        """Return a name for a random token, the same whenever a thread comes by the same way.

        Of the tokens a thread draws in one operation at most one is ever in use, so they may share the name.
        """
        name = f"{self.name}.{self.operation}".encode()
        return self.worker.tokens.setdefault(drawn, name) if drawn else b""

    @property
    def key(self) -> tuple[object, ...]:
        """All that this thread's future depends on, but for its worker."""
        clock = self.clock if self.pending.name in LOOKING else 0.0  # once it has seen enough it waits no more
        return self.name, self.operation, self.pending, self.starts, clock, self.memory


@contextmanager
def stepping() -> Iterator[None]:
    """Inside, workers can be made: what the engine shares with others, and its clocks, are under our hand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.products.stats.caller_repository", _SteppedRepository)
        patch.setattr("app.caching.protocol.CircuitBreaker", SteppedBreaker)
        patch.setattr("app.caching.breaker.threading", _Threading)
        yield


def current() -> Thread:
    """Return the thread that runs."""
    return cast("Thread", getcurrent())


def clock() -> float:
    """Return the running thread's seconds since its operation began: only sleeping takes time."""
    return current().clock


def sleep(seconds: float) -> None:
    """Sleep to the end of the wait time: who waits looks twice, at any moments."""
    current().clock += max(seconds, Timing().wait)


class _SteppedRepository:
    """The repository of a stepped thread: reading the breakdown is a step."""

    @staticmethod
    def asin_stats(_user: str) -> dict[str, int]:
        bits = current().ask("select")
        return {"all": bits, "asin_found": bits, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}


class Wire:
    """The Redis client: a script that is sent is a step."""

    @property
    def link(self) -> Link:
        """A link over this wire."""
        return Link(
            client=cast("Redis", self),
            max_connections=1,
            ask=self.send,
            send=self.send,
            incarnation=Incarnation(clock=clock),
        )

    @staticmethod
    def send(command: tuple[Any, ...]) -> object:
        """Take the step, with a name for the token."""
        thread = current()
        _, digest, _, _, token, *arguments = command
        return thread.ask(_SCRIPTS[digest], thread.token(token), *arguments)

    @staticmethod
    def ping() -> object:
        """Take the step of a probe."""
        return current().ask("ping")


class Region(SharedRegion):
    """The memory the workers share: looking at it is a step."""

    def __init__(self) -> None:
        """Map nothing: the marks are where the schedule is."""

    def mark(self, key: str, *, seconds: float) -> None:  # noqa: ARG002 - no time passes
        """Tell the schedule."""
        current().worker.effects.append(Effect("mark", current().name))

    def unmark(self) -> None:
        """Tell the schedule."""
        current().worker.effects.append(Effect("unmark", current().name))

    def is_marked(self, key: str) -> bool:  # noqa: ARG002 - there is one
        """Ask the schedule."""
        return bool(current().ask("marked?"))

    def count(self, name: str) -> None:
        """Count nothing."""


class SteppedBreaker(CircuitBreaker):
    """The real breaker. Between a failure and the debt it leaves, others may run."""

    def owe(self, key: str, token: str, *, lifetime: float) -> None:
        """Stop, then owe."""
        current().ask("owe", current().token(token))
        super().owe(key, token, lifetime=lifetime)

    def snapshot(self, tokens: Mapping[str, bytes]) -> tuple[object, ...]:
        """Return all that its future depends on, with names for the tokens."""
        owed = tuple(tokens[token] for _, token in self._owed)
        return self.state, owed, self._probe_pid is None


class _Threading:
    """What the breaker needs of `threading`: its probe becomes a thread of the worker."""

    Lock = threading.Lock

    class Thread:
        def __init__(self, target: Callable[[], None], name: str, daemon: bool) -> None:  # noqa: FBT001 - threading's
            assert daemon
            self._name, self._target = name, target

        def start(self) -> None:
            current().worker.spawn(self._name, lambda _thread: self._target())

    class Event:
        def wait(self, _seconds: float) -> None:
            """Return at once: between two pings anything may happen anyway."""
