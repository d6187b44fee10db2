"""Every ordering of what workers do to one entry, every fault at every moment, and the promise checked at each read.

The real code says what a worker does next, given what it saw (`stepped`, `workers`); the exact model of the scripts
says what each step does to the entry (`store_model`). Both are deterministic, so the whole is a graph of states
(`moments`). It is walked depth first, each state once; adding up the ways out of each state gives the number of
interleavings that were covered.
"""

import gc
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.caching.protocol import LeaseProtocol
from tests.caching.moments import (
    FAULTS,
    UNDECIDED,
    Label,
    StaleReadError,
    State,
    Successor,
    affect,
    bit,
    canonical,
    killed,
    losses,
    pending,
    with_late,
)
from tests.caching.stepped import Request
from tests.caching.store_model import COMMANDS, Command
from tests.caching.workers import Life, Node, Program


class Coverage(NamedTuple):
    """How much was walked through: different states, and orderings of steps that lead through them."""

    states: int
    interleavings: int


@dataclass
class Exploration:
    """What the threads of `workers` (by name: `R…` read, `W<n>` makes the change `1 << n - 1`) can do to each other.

    Up to `faults` calls to Redis or the database fail, or workers are killed, at any moments. With `losses` the entry
    may run out, be evicted or flushed at any moment. `commands`, `engine` and `marks` (whether they are seen) are for
    breaking the protocol on purpose. `merging`: see `Life`.
    """

    workers: Sequence[Mapping[str, Program]]
    faults: int = 0
    losses: bool = False
    commands: Mapping[str, Command] = field(default_factory=lambda: COMMANDS)
    engine: type[LeaseProtocol] = LeaseProtocol
    marks: bool = True
    merging: bool = True
    _lives: list[Life] = field(init=False)

    def run(self) -> Coverage:
        """Walk through everything.

        Raises:
            StaleReadError: the promise was broken.

        """
        self._lives = [Life(programs, self.engine, merging=self.merging) for programs in self.workers]
        start = State(tuple(life.start for life in self._lives), self.faults)
        ways: dict[State, int] = {}
        gc.disable()  # millions of tuples and no garbage
        try:
            return Coverage(interleavings=self._walk(start, ways), states=len(ways))
        except StaleReadError:
            raise StaleReadError(self._shortest(start)) from None
        finally:
            gc.enable()

    def _walk(self, state: State, ways: dict[State, int]) -> int:
        """Return the number of ways from here to an end."""
        found = 0
        for _, successor in self._successors(state):
            found += ways.get(successor) or self._walk(successor, ways)
        ways[state] = found = found or 1
        return found

    def _shortest(self, start: State) -> str:
        """Search breadth first and return the schedule of a stale read, one line for each step."""
        came: dict[State, tuple[State, Label] | None] = {start: None}
        queue = deque([start])
        while True:
            state = queue.popleft()
            try:
                for label, successor in self._successors(state):
                    if successor not in came:
                        came[successor] = state, label
                        queue.append(successor)
            except StaleReadError as error:
                lines = [str(error)]
                while (before := came[state]) is not None:
                    state, label = before
                    lines.append(" ".join(map(str, label)))
                return "\n".join(reversed(lines))

    def _successors(self, state: State) -> Iterator[Successor]:
        if not any(node and node.reading for node in state.nodes):
            return  # nobody is left to be misled
        marks_stay = not state.faults and all(node is None or node.quiet for node in state.nodes)
        for number, node in enumerate(state.nodes):
            if node and node.pending:
                yield from self._steps(state, number, node, marks_stay=marks_stay)
                if state.faults:
                    yield ("killed", number), killed(state, number, node)
        yield from self._arrivals(state)
        if self.losses and state.entry:
            yield from losses(state, state.entry)

    def _steps(self, state: State, number: int, node: Node, *, marks_stay: bool) -> Iterator[Successor]:
        """Let each thread of a worker take its step, or fail in it."""
        for name, step, starts in node.pending:
            here, changes = state, dict[str, Any]()
            if starts and name.startswith("R"):
                changes["expected"] = (*state.expected, (name, state.due))
            if marks_stay and step.name == "marked?":  # who looks now or later sees the same: look and go on at once
                here, changes = self._taken(here, number, name, step, changes), {}
                step = pending(here, number, name)  # noqa: PLW2901 - the step after it
            yield (name, *step), self._taken(here, number, name, step, {**changes})
            if here.faults:
                yield from self._failed(here, number, name, step, changes)

    def _taken(self, state: State, number: int, name: str, step: Request, changes: dict[str, Any]) -> State:
        """Take a step and give the thread its answer. `changes`: what else is different afterwards."""
        if step.name == "select":
            answer: object = state.database
        elif step.name == "marked?":
            answer = self.marks and bool(state.marks)
        else:
            answer = self._done(state, step, changes)
        return self._resumed(state, number, name, answer, changes)

    def _done(self, state: State, step: Request, changes: dict[str, Any]) -> object:
        """Let a server do what a step asks for; put what it changes into `changes` and return its answer."""
        if step.name == "commit":
            change: int = step.arguments[0]
            changes["database"] = state.database | change
            changes["due"] = state.due | change & state.announced
            changes["announced"] = state.announced & ~change
            return None
        if step.name not in self.commands:
            return True
        answer, changes["entry"] = self.commands[step.name](state.entry, 0, *step.arguments)
        if step.name == "begin":
            changes["announced"] = state.announced | bit(step.arguments[0]) & ~state.database
        return answer

    def _resumed(self, state: State, number: int, name: str, answer: object, changes: dict[str, Any]) -> State:
        """Give a thread its answer; it goes on to its next step."""
        node = state.nodes[number]
        assert node
        after, effects = self._lives[number].after(node, name, answer)
        changes["nodes"] = (*state.nodes[:number], after, *state.nodes[number + 1 :])
        for effect in effects:
            affect(state, number, effect, changes)
        expected = changes.get("expected", state.expected)
        if expected and name not in after.looking:  # answered, or about to ask the database itself
            changes["expected"] = tuple(item for item in expected if item[0] != name)
        return canonical(state._replace(**changes))

    def _failed(
        self, state: State, number: int, name: str, step: Request, changes: dict[str, Any]
    ) -> Iterator[Successor]:
        for fault in FAULTS.get(step.name, ()):
            late = with_late(state, step) if fault in UNDECIDED else state.late
            failed = {**changes, "faults": state.faults - 1, "late": late}
            yield (name, *step, "->", fault), self._resumed(state, number, name, fault, failed)

    def _arrivals(self, state: State) -> Iterator[Successor]:
        """Let what is on its way arrive; a commit may also have been lost."""
        for step in dict.fromkeys(state.late):
            place = state.late.index(step)
            changes: dict[str, Any] = {"late": state.late[:place] + state.late[place + 1 :]}
            if step.name == "commit":
                yield ("never", *step), canonical(state._replace(**changes))
            self._done(state, step, changes)
            if changes.get("entry", 0) != state.entry:  # what changes nothing might as well still be on its way
                yield ("late", *step), canonical(state._replace(**changes))
