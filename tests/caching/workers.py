"""Workers made of stepped threads, and the graph of everything a worker can do, discovered by running it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

from flask import Flask
from greenlet import getcurrent  # type: ignore[import-untyped]  # ships no types

from app.caching import LeaseCache
from app.caching.engine import LeaseEngine
from app.caching.events import BreakerState
from app.caching.memoize import EXTENSION
from app.caching.protocol import LeaseProtocol
from app.database import Database, DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError
from app.extensions import cache
from app.products.breakdown import AsinStats
from app.products.changes import Envelope, announcement_for
from app.products.stats import asin_status_stats, changing_stats
from tests.caching.stepped import Region, SteppedBreaker, SteppedRedis, Thread, clock, sleep
from tests.caching.steps import Effect

_USER: Final = str(UUID(int=1))
_flask: Final = Flask(__name__)
# Never called: the programs' only database call is a step. `changing_stats` only checks that the database is available.
_flask.extensions["database"] = Database("http://127.0.0.1:1", "", timeout=1.0, max_calls=1)

Program = Callable[[Thread], None]
Event = tuple[str, object]


class Worker:
    """A gunicorn worker with its own engine. `programs` maps the names of its threads to what they run."""

    def __init__(self, programs: Mapping[str, Program], engine: type[LeaseProtocol]) -> None:
        """Run every thread up to its first step."""
        self.hub, self.closed = getcurrent(), False
        self.effects: list[Effect] = []
        self.tokens: dict[str, bytes] = {}
        self.threads: dict[str, Thread] = {}
        self._starting: list[Thread] = []
        self._engine = engine(SteppedRedis().link, region=Region(), sleep=sleep, clock=clock)
        backend = LeaseCache(protocol=self._engine, default_timeout=10, key_prefix="asin_stats:")
        self._extensions = {"cache": {cache: backend}, EXTENSION: {cache: LeaseEngine(_flask, backend)}}
        for name, program in programs.items():
            self.spawn(name, program)
        self._run(lambda: None)

    @property
    def breaker(self) -> "SteppedBreaker":
        """The circuit breaker of the worker's engine."""
        return cast("SteppedBreaker", self._engine.breaker)

    @property
    def key(self) -> tuple[object, ...]:
        """Everything that this worker's future depends on."""
        return (*(thread.key for thread in self.threads.values()), self.breaker.snapshot(self.tokens))

    def spawn(self, name: str, program: Program) -> None:
        """Add a thread. It starts when the running thread stops."""
        thread = self.threads[name] = Thread(self, name, lambda: program(thread))
        self._starting.append(thread)

    def resume(self, name: str, answer: object) -> tuple[Effect, ...]:
        """Resume thread `name` with the answer to its step and run it up to its next step. Return its effects."""
        self.effects = []
        self._run(lambda: self.threads[name].switch(answer))
        return tuple(self.effects)

    def _run(self, resume: Callable[[], object]) -> None:
        _flask.extensions.update(self._extensions)
        resume()
        while self._starting:
            self._starting.pop().switch()
        self.threads = {name: thread for name, thread in self.threads.items() if not thread.dead}


def reader(times: int) -> Program:
    """Return a program that reads the breakdown `times` times, one after the other, as the view does."""

    def read(thread: Thread) -> None:
        with _flask.app_context():
            for _ in range(times):
                try:
                    thread.completed("answer", asin_status_stats.lookup(_USER).value.total)
                except (DatabaseUnavailableError, DatabaseRefusalError):
                    thread.completed("fail")

    return read


@dataclass
class Change:
    """What a change left: the breakdown and its version, or None if it did not say."""

    stats: AsinStats | None = None
    version: int = 0


@contextmanager
def replacing_stats(user_id: str) -> Iterator[Change]:
    """Replace the breakdown with what the change left, as the repository hands it to `changing_stats`."""
    change = Change()
    with changing_stats(user_id):
        yield change
        assert change.stats
        announcement_for(user_id).last = Envelope(None, change.stats, change.version)


@contextmanager
def deleting_stats(user_id: str) -> Iterator[Change]:
    """Delete the breakdown after the change, as code does that does not know the numbers."""
    with changing_stats(user_id):
        yield Change()


def writer(number: int, *, changing: Callable[[str], AbstractContextManager[Change]] = replacing_stats) -> Program:
    """Return a program that makes one change as the views do. The bit of the change is `1 << number - 1`."""

    def write(thread: Thread) -> None:
        with _flask.app_context():
            try:
                with changing(_USER) as change:
                    bits, change.version = thread.take("commit", 1 << number - 1)
                    change.stats = AsinStats(bits, bits, 0, 0, 0)
            except OutcomeUnknownError:
                confirmed = any(step.name == "begin" and step.answer for step in thread.memory)
                thread.completed("unknown", 1 << number - 1 if confirmed else 0)
            except (DatabaseUnavailableError, DatabaseRefusalError):
                thread.completed("fail")
            else:
                thread.completed("acknowledge", 1 << number - 1)

    return write


class Node:
    """A state that a worker can reach.

    Attributes:
        pending: for each thread its name, its next step, and whether that step starts an operation.
        reading: whether a reader has not finished yet.
        looking: readers that have started and have no answer yet.
        leases: the leases that the worker's readers hold.
        quiet: whether the worker owes no delete, and will owe none unless a fault happens.
        events: one sequence of events that leads to this state.

    """

    def __init__(self, worker: Worker, events: tuple[Event, ...]) -> None:
        """Record the state of `worker`."""
        threads = worker.threads.values()
        self.pending = tuple((thread.name, thread.pending, thread.starts) for thread in threads)
        self.reading = any(name.startswith("R") for name, _, _ in self.pending)
        self.looking = {name for name, _, starts in self.pending if name.startswith("R") and not starts}
        self.leases = {
            seen.arguments[0] for thread in threads for seen in thread.memory if seen.name == "read" and seen.arguments
        }
        self.quiet = worker.breaker.state is BreakerState.CLOSED and all(
            step.name != "owe" for _, step, _ in self.pending
        )
        self.worker: Worker | None = worker
        self.events, self.next = events, dict[Event, tuple["Node", tuple[Effect, ...]]]()


class WorkerGraph:
    """The graph of the states that a worker can reach from its start."""

    def __init__(self, programs: Mapping[str, Program], engine: type[LeaseProtocol], *, merging: bool) -> None:
        """Start a worker that runs `programs` on an `engine` of its own.

        With `merging` all histories that have the same future share one node; otherwise each history has its own node.
        """
        self._programs, self._engine, self._merging = programs, engine, merging
        self._nodes = dict[object, Node]()
        self.start = self._node(Worker(programs, engine), ())

    def step(self, node: Node, thread: str, answer: object) -> tuple[Node, tuple[Effect, ...]]:
        """Give `thread` the answer to its step. Return the worker's next state and the effects of the thread."""
        event = thread, answer
        if event not in node.next:
            worker, node.worker = node.worker or self._replayed(node), None
            effects = worker.resume(thread, answer)
            node.next[event] = self._node(worker, (*node.events, event)), effects
        return node.next[event]

    def _node(self, worker: Worker, events: tuple[Event, ...]) -> Node:
        key = worker.key if self._merging else events
        if key not in self._nodes:
            self._nodes[key] = Node(worker, events)
        return self._nodes[key]

    def _replayed(self, node: Node) -> Worker:
        worker = Worker(self._programs, self._engine)
        for thread, answer in node.events:
            worker.resume(thread, answer)
        return worker
