"""Model checker: explores every interleaving of workers on one entry, with faults, and checks each read for staleness.

The real code decides what a worker does next, given the replies it has received (`stepped`, `workers`). An exact model
of the scripts decides what each step does to the entry (`store_model`). Both are deterministic, so all executions
together form a graph of states (`state_space`). The graph is explored depth first and each state is visited once. The
number of paths through the graph is the number of interleavings covered.
"""

import gc
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from app.caching.protocol import LeaseProtocol
from tests.caching.state_space import (
    FAULTS,
    OUTCOME_UNKNOWN,
    Label,
    StaleReadError,
    State,
    Successor,
    affect,
    ageing,
    bit,
    canonical,
    confirmed,
    forget,
    killed,
    losses,
    normal,
    outlast,
    pass_overlap,
    pending,
    ran_late,
    with_late,
)
from tests.caching.steps import PendingStep
from tests.caching.store_model import COMMANDS, Command, CommandResult, Entry
from tests.caching.workers import Node, Program, WorkerGraph


@lru_cache(maxsize=1 << 16)
def _executed(command: Command, entry: Entry | None, arguments: tuple[Any, ...]) -> CommandResult:
    answer, after = command(entry, 0, *arguments)
    return answer, normal(after)


class Coverage(NamedTuple):
    """Size of an exploration: the number of distinct states, and of orderings of steps through them."""

    states: int
    interleavings: int


@dataclass
class Exploration:
    """Exploration of all interleavings of the threads of `workers`.

    A thread named `R…` reads; a thread named `W<n>` makes the change whose bit is `1 << n - 1`. A read must show each
    change that was *due* when the read began:

    - acknowledged, or ended in Redis;
    - committed and announced, when the overlap has passed since its begin;
    - committed, when its outcome was reported as unknown;
    - shown by an earlier read, if neither a fault nor the loss of an entry with writers in flight has happened.

    Attributes:
        workers: the threads of each worker, by name.
        faults: at most this many faults happen, at any step: a call to Redis or the database fails, or a worker is
            killed.
        faulty: the steps at which faults happen.
        ageing: whether the overlap of a writer may pass, and a kept value may expire, at any step.
        losses: whether the entry may also expire, be evicted or be flushed at any step, and deadlines may pass.
        commands: the model of the scripts; tests replace one to break the protocol.
        engine: the class of the engine; tests replace it for the same reason.
        marks: whether workers see each other's shared marks; tests turn them off for the same reason.
        merging: see `WorkerGraph`.
        explain: whether to search for a shortest schedule that leads to a stale read.

    """

    workers: Sequence[Mapping[str, Program]]
    faults: int = 0
    faulty: Collection[str] = (*FAULTS, "killed")
    ageing: bool = True
    losses: bool = False
    commands: Mapping[str, Command] = field(default_factory=lambda: COMMANDS)
    engine: type[LeaseProtocol] = LeaseProtocol
    marks: bool = True
    merging: bool = True
    explain: bool = True
    _graphs: list[WorkerGraph] = field(init=False)

    def run(self) -> Coverage:
        """Explore every reachable state.

        Raises:
            StaleReadError: a read returned stale data. With `explain`, the message is a shortest schedule that leads
                to it.

        """
        self._graphs = [WorkerGraph(programs, self.engine, merging=self.merging) for programs in self.workers]
        start = State(tuple(graph.start for graph in self._graphs), self.faults)
        paths: dict[State, int] = {}
        gc.disable()  # millions of tuples are allocated and none becomes garbage
        try:
            return Coverage(interleavings=self._walk(start, paths), states=len(paths))
        except StaleReadError:
            if not self.explain:
                raise
            raise StaleReadError(self._shortest(start)) from None
        finally:
            gc.enable()

    def _walk(self, state: State, paths: dict[State, int]) -> int:
        """Return the number of paths from `state` to an end."""
        found = 0
        for _, successor in self._successors(state):
            found += paths.get(successor) or self._walk(successor, paths)
        paths[state] = found = found or 1
        return found

    def _shortest(self, start: State) -> str:
        """Search breadth first for a stale read and return its schedule, one line for each step."""
        reached_from: dict[State, tuple[State, Label] | None] = {start: None}
        queue = deque([start])
        while True:
            state = queue.popleft()
            try:
                for label, successor in self._successors(state):
                    if successor not in reached_from:
                        reached_from[successor] = state, label
                        queue.append(successor)
            except StaleReadError as error:
                lines = [str(error)]
                while (before := reached_from[state]) is not None:
                    state, label = before
                    lines.append(" ".join(map(str, label)))
                return "\n".join(reversed(lines))

    def _successors(self, state: State) -> Iterator[Successor]:
        if not any(node and node.reading for node in state.nodes):
            return  # no read is left that could be stale
        marks_are_final = not state.faults and all(node is None or node.quiet for node in state.nodes)
        for number, node in enumerate(state.nodes):
            if node and node.pending:
                yield from self._steps(state, number, node, marks_are_final=marks_are_final)
                if state.faults and "killed" in self.faulty:
                    yield ("killed", number), killed(state, number, node)
        yield from self._arrivals(state)
        if self.ageing and state.entry:
            yield from ageing(state, state.entry)
        if self.losses and state.entry:
            yield from losses(state, state.entry)

    def _steps(self, state: State, number: int, node: Node, *, marks_are_final: bool) -> Iterator[Successor]:
        """Yield the states after each thread of a worker has taken its next step, or has failed in it."""
        for name, step, starts in node.pending:
            here, changes = state, dict[str, Any]()
            if starts and name.startswith("R"):
                changes["expected"] = (*state.expected, (name, state.due))
            if marks_are_final and step.name == "marked?":  # same answer now or later: no need to interleave this step
                here, changes = self._taken(here, number, name, step, changes), {}
                step = pending(here, number, name)  # noqa: PLW2901 - the step after the check
            yield (name, *step), self._taken(here, number, name, step, {**changes})
            if here.faults:
                yield from self._failed(here, number, name, step, changes)

    def _taken(self, state: State, number: int, name: str, step: PendingStep, changes: dict[str, Any]) -> State:
        """Take a step and give the thread its answer. `changes` holds the other fields that change."""
        if step.name == "select":
            answer: object = state.database
        elif step.name == "marked?":
            answer = self.marks and bool(state.marks)
        else:
            answer = self._done(state, step, changes)
        return self._resumed(state, number, name, answer, changes)

    def _done(self, state: State, step: PendingStep, changes: dict[str, Any]) -> object:
        """Execute a step on the modelled server: put its effects into `changes` and return its answer."""
        if step.name == "commit":
            change: int = step.arguments[0]
            changes["database"] = database = state.database | change
            changes["due"] = state.due | change & state.outlasted
            return database, database.bit_count()
        if step.name == "outlast":
            pass_overlap(state, step.arguments[0], changes)
        if step.name not in self.commands:
            return True
        arguments = confirmed(state.entry, step) if step.name == "end" else step.arguments
        answer, changes["entry"] = _executed(self.commands[step.name], state.entry, arguments)
        if step.name == "begin":
            announced = bit(step.arguments[0])
            changes["announced"] = state.announced | announced
            if step.arguments[2]:
                outlast(state, announced, changes)
        elif step.name == "end":
            ended = bit(step.arguments[0]) & state.database
            changes["due"] = state.due | ended
            forget(state, ended, changes)
        return answer

    def _resumed(self, state: State, number: int, name: str, answer: object, changes: dict[str, Any]) -> State:
        """Give a thread its answer and run it up to its next step."""
        node = state.nodes[number]
        assert node
        after, effects = self._graphs[number].step(node, name, answer)
        changes["nodes"] = (*state.nodes[:number], after, *state.nodes[number + 1 :])
        for effect in effects:
            affect(state, number, effect, changes)
        expected = changes.get("expected", state.expected)
        if expected and name not in after.looking:  # answered, or about to query the database itself
            changes["expected"] = tuple(item for item in expected if item[0] != name)
        return canonical(state._replace(**changes))

    def _failed(
        self, state: State, number: int, name: str, step: PendingStep, changes: dict[str, Any]
    ) -> Iterator[Successor]:
        for fault in FAULTS.get(step.name, ()) if step.name in self.faulty else ():
            late = with_late(state, step) if fault in OUTCOME_UNKNOWN else state.late
            failed = {**changes, "faults": state.faults - 1, "clean": False, "late": late}
            answer = self._done(state, step, failed) if fault == "repeated" else fault
            yield (name, *step, "->", fault), self._resumed(state, number, name, answer, failed)

    def _arrivals(self, state: State) -> Iterator[Successor]:
        """Yield the states after a delayed step arrives. A delayed commit may also never arrive."""
        for step in dict.fromkeys(state.late):
            index = state.late.index(step)
            changes: dict[str, Any] = {"late": state.late[:index] + state.late[index + 1 :]}
            if step.name == "commit":
                yield ("never", *step), canonical(state._replace(**changes))
            self._done(state, step, changes)
            if step.name == "begin":
                changes["entry"] = ran_late(changes["entry"])
            if changes.get("entry", 0) != state.entry:  # an arrival without effect leads to no new state
                yield ("late", *step), canonical(state._replace(**changes))
