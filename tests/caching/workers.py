"""Workers made of stepped threads, and all that one of them can do: a graph that is found out by running it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final, cast
from uuid import UUID

from flask import Flask
from greenlet import getcurrent  # type: ignore[import-untyped]  # ships none

from app.caching import LeaseCache
from app.caching.engine import LeaseEngine
from app.caching.events import BreakerState
from app.caching.memoize import EXTENSION
from app.caching.protocol import LeaseProtocol
from app.database import Database, DatabaseRefusalError, DatabaseUnavailableError
from app.extensions import cache
from app.products.stats import asin_status_stats, changing_stats
from tests.caching.stepped import LOOKING, Effect, Region, SteppedBreaker, Thread, Wire, clock, sleep

_USER: Final = str(UUID(int=1))
_flask: Final = Flask(__name__)
# Nothing calls it: the one call of these programs is a step. That it answers is all they ask of it.
_flask.extensions["database"] = Database("http://127.0.0.1:1", "", timeout=1.0, max_calls=1)

Program = Callable[[Thread], None]
Event = tuple[str, object]


class Worker:
    """A gunicorn worker with an engine of its own; `programs` says what its threads do, by name."""

    def __init__(self, programs: Mapping[str, Program], engine: type[LeaseProtocol]) -> None:
        """Run every thread up to its first step."""
        self.hub, self.closed = getcurrent(), False
        self.effects: list[Effect] = []
        self.tokens: dict[str, bytes] = {}
        self.threads: dict[str, Thread] = {}
        self._starting: list[Thread] = []
        self._engine = engine(Wire().link, region=Region(), sleep=sleep, clock=clock)
        backend = LeaseCache(protocol=self._engine, default_timeout=10, key_prefix="asin_stats:")
        self._extensions = {"cache": {cache: backend}, EXTENSION: {cache: LeaseEngine(_flask, backend)}}
        for name, program in programs.items():
            self.spawn(name, program)
        self._run(lambda: None)

    @property
    def breaker(self) -> "SteppedBreaker":
        """Its circuit breaker."""
        return cast("SteppedBreaker", self._engine.breaker)

    @property
    def key(self) -> tuple[object, ...]:
        """All that this worker's future depends on."""
        return (*(thread.key for thread in self.threads.values()), self.breaker.snapshot(self.tokens))

    def spawn(self, name: str, program: Program) -> None:
        """Add a thread; it starts when the running one stops."""
        thread = self.threads[name] = Thread(self, name, lambda: program(thread))
        self._starting.append(thread)

    def resume(self, name: str, answer: object) -> tuple[Effect, ...]:
        """Let thread `name` take its step with this answer and go on to the next; return what it did meanwhile."""
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
    """Make the program of a reader who asks for the breakdown so many times, one after the other, as the view does."""

    def read(thread: Thread) -> None:
        with _flask.app_context():
            for _ in range(times):
                try:
                    thread.completed("answer", asin_status_stats.lookup(_USER).value.total)
                except (DatabaseUnavailableError, DatabaseRefusalError):
                    thread.completed("fail")

    return read


def writer(number: int, *, changing: Callable[[str], AbstractContextManager[None]] = changing_stats) -> Program:
    """Make the program of a writer, the bit of whose change is `1 << number - 1`, as the views make changes."""

    def write(thread: Thread) -> None:
        with _flask.app_context():
            try:
                with changing(_USER):
                    thread.ask("commit", 1 << number - 1)
            except (DatabaseUnavailableError, DatabaseRefusalError):
                thread.completed("fail")
            else:
                thread.completed("acknowledge", 1 << number - 1)

    return write


class Node:
    """A point in a worker's life.

    `pending`: thread, its next step, and whether an operation starts with it. `reading`: some reader is not through.
    `looking`: readers that have started and not yet found an answer or asked the database. `leases`: those it computes
    under. `quiet`: it owes nothing, and will not as long as nothing fails. `events`: one way to come here.
    """

    def __init__(self, worker: Worker, events: tuple[Event, ...]) -> None:
        """Remember where `worker` is."""
        threads = worker.threads.values()
        self.pending = tuple((thread.name, thread.pending, thread.starts) for thread in threads)
        self.reading = any(name.startswith("R") for name, _, _ in self.pending)
        self.looking = {name for name, step, starts in self.pending if step.name in LOOKING and not starts}
        self.leases = {seen.arguments[0] for thread in threads for seen in thread.memory if seen.name == "read"}
        self.quiet = worker.breaker.state is BreakerState.CLOSED and all(
            step.name != "owe" for _, step, _ in self.pending
        )
        self.worker: Worker | None = worker
        self.events, self.next = events, dict[Event, tuple["Node", tuple[Effect, ...]]]()


class Life:
    """Where a worker can come, from its start."""

    def __init__(self, programs: Mapping[str, Program], engine: type[LeaseProtocol], *, merging: bool) -> None:
        """Start a worker that runs `programs` on an `engine` of its own.

        With `merging` two pasts that leave the same future are one point, else each past is a point of its own.
        """
        self._programs, self._engine, self._merging = programs, engine, merging
        self._nodes = dict[object, Node]()
        self.start = self._node(Worker(programs, engine), ())

    def after(self, node: Node, thread: str, answer: object) -> tuple[Node, tuple[Effect, ...]]:
        """Return where the worker is when `thread` has got this answer and stops again, and what it did on the way."""
        event = thread, answer
        if event not in node.next:
            worker, node.worker = node.worker or self._relived(node), None
            effects = worker.resume(thread, answer)
            node.next[event] = self._node(worker, (*node.events, event)), effects
        return node.next[event]

    def _node(self, worker: Worker, events: tuple[Event, ...]) -> Node:
        key = worker.key if self._merging else events
        if key not in self._nodes:
            self._nodes[key] = Node(worker, events)
        return self._nodes[key]

    def _relived(self, node: Node) -> Worker:
        worker = Worker(self._programs, self._engine)
        for thread, answer in node.events:
            worker.resume(thread, answer)
        return worker
