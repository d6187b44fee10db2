"""States of an exploration and the transitions between them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from tests.caching.stepped import Effect, PendingStep
from tests.caching.store_model import COMMANDS, LEASE, Entry, tombstone, writers
from tests.caching.workers import Node

FAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(COMMANDS, ("timeout", "disconnect", "refusal")),
    "select": ("unavailable", "rejected"),
    "commit": ("unknown", "rejected"),
}
"""Faults by step: a Redis call times out, loses its connection or returns an error; the database fails or refuses."""
OUTCOME_UNKNOWN: Final = {"timeout", "disconnect", "unknown"}
"""Faults after which the step may still be executed, at any later time or never."""
_NO_OWNER: Final = b"nobody"


class State(NamedTuple):
    """A state of the exploration. Sets of writes and of workers are bit masks.

    Attributes:
        nodes: the state of each worker; None for a killed worker.
        faults: how many faults may still happen.
        entry: the entry in Redis.
        database: the committed writes.
        due: the writes that a read starting now must show: acknowledged, or committed while announced.
        announced: writes whose `begin` ran, and whose announcement only the writer itself may remove.
        marks: the workers that have marked the entry in shared memory because they owe its delete.
        late: delayed steps that have not arrived yet.
        expected: for each read that has no answer yet, the writes that were due when it started.

    """

    nodes: tuple[Node | None, ...]
    faults: int
    entry: Entry | None = None
    database: int = 0
    due: int = 0
    announced: int = 0
    marks: int = 0
    late: tuple[PendingStep, ...] = ()
    expected: tuple[tuple[str, int], ...] = ()


Label = tuple[object, ...]
Successor = tuple[Label, State]


class StaleReadError(AssertionError):
    """A read did not show a write that was due when the read started."""


def bit(token: bytes) -> int:
    """Return the bit of the writer that created this token."""
    return 1 << int(token[1:2]) - 1 if token.startswith(b"W") else 0


def pending(state: State, number: int, name: str) -> PendingStep:
    """Return the next step of thread `name` of worker `number`."""
    node = state.nodes[number]
    assert node
    return next(step for thread, step, _ in node.pending if thread == name)


def with_late(state: State, *steps: PendingStep) -> tuple[PendingStep, ...]:
    """Return the delayed steps including `steps`, which have just been sent."""
    return tuple(sorted((*state.late, *(step for step in steps if step.name in FAULTS)), key=repr))


def killed(state: State, number: int, node: Node) -> State:
    """Kill a worker. Its shared marks stay, and the steps it has just sent may still arrive."""
    late = with_late(state, *(step for _, step, _ in node.pending if step.name != "select"))
    nodes = (*state.nodes[:number], None, *state.nodes[number + 1 :])
    expected = tuple(item for item in state.expected if item[0] not in node.looking)
    return canonical(state._replace(nodes=nodes, faults=state.faults - 1, late=late, expected=expected))


def losses(state: State, entry: Entry) -> Iterator[Successor]:
    """Yield the states after the entry expires, is evicted or is flushed, and after a tombstone's first deadline."""
    waiting = writers(entry)
    if waiting:
        announced = state.announced & ~bit(waiting[-1][0])
        left = tombstone(waiting[:-1]) if waiting[1:] else None
        yield ("the first deadline passes",), state._replace(entry=left, announced=announced)
    if len(waiting) != 1:
        yield ("the entry is lost",), state._replace(entry=None, announced=0 if waiting else state.announced)


def affect(state: State, number: int, effect: Effect, changes: dict[str, Any]) -> None:
    """Add an effect of a thread of worker `number` to `changes`; raise StaleReadError if its answer is stale."""
    marks: int = changes.get("marks", state.marks)
    if effect.name == "mark":
        changes["marks"] = marks | 1 << number
    elif effect.name == "unmark":
        changes["marks"] = marks & ~(1 << number)
    elif effect.name == "acknowledge":
        changes["due"] = state.due | effect.value
    elif effect.name == "answer":
        due = dict(changes.get("expected", state.expected)).get(effect.thread, 0)
        if due & ~effect.value or effect.value & ~state.database:
            raise StaleReadError(f"{effect.thread} read {effect.value:02b}, but {due:02b} was due")


def canonical(state: State) -> State:
    """Return the representative of all states that have the same future as `state`."""
    entry, late = state.entry, state.late
    lease = entry.content[len(LEASE) :] if entry and entry.content and entry.content.startswith(LEASE) else b""
    if late:
        # A lease that a delayed read takes has no owner. A delayed fill or abandon without its lease has no effect.
        late = tuple(
            [
                step._replace(arguments=(_NO_OWNER, *step.arguments[1:])) if step.name == "read" else step
                for step in late
                if step.name not in ("fill", "abandon") or step.arguments[0] == lease
            ]
        )
        if late != state.late:
            state = state._replace(late=late)
    if lease and lease != _NO_OWNER and not _can_be_used(lease, state):
        return state._replace(entry=Entry(LEASE + _NO_OWNER, state.entry and state.entry.expires))
    return state


def _can_be_used(lease: bytes, state: State) -> bool:
    for node in state.nodes:
        if node and lease in node.leases:
            return True
    return any(step.arguments[0] == lease for step in state.late)
