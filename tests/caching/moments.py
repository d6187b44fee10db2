"""A moment of an exploration, and what becomes of it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from tests.caching.stepped import Effect, Request
from tests.caching.store_model import COMMANDS, LEASE, Entry, tombstone, writers
from tests.caching.workers import Node

FAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(COMMANDS, ("timeout", "disconnect", "refusal")),
    "select": ("unavailable", "no"),
    "commit": ("unknown", "no"),
}
"""How steps fail: without an answer, with a lost connection, with an error; and as the database fails."""
UNDECIDED: Final = {"timeout", "disconnect", "unknown"}
"""Faults that leave a step on its way: it still happens at any later moment, or never."""
_NOBODY: Final = b"nobody"


class State(NamedTuple):
    """A moment. Sets of writes and of workers are bits.

    `due`: the writes that every read beginning now must show: acknowledged, or committed while announced. `announced`:
    their begin ran, and nothing but the writer itself has taken that back. `marks`: workers that have marked the entry.
    `late`: steps on their way. `expected`: what was due when the reads that are still looking began.
    """

    nodes: tuple[Node | None, ...]
    faults: int
    entry: Entry | None = None
    database: int = 0
    due: int = 0
    announced: int = 0
    marks: int = 0
    late: tuple[Request, ...] = ()
    expected: tuple[tuple[str, int], ...] = ()


Label = tuple[object, ...]
Successor = tuple[Label, State]


class StaleReadError(AssertionError):
    """A read did not show a write that was due when it began; the message is a shortest schedule that ends so."""


def bit(token: bytes) -> int:
    """Return the bit of the writer that drew this token."""
    return 1 << int(token[1:2]) - 1 if token.startswith(b"W") else 0


def pending(state: State, number: int, name: str) -> Request:
    """Return the next step of thread `name` of worker `number`."""
    node = state.nodes[number]
    assert node
    return next(step for thread, step, _ in node.pending if thread == name)


def with_late(state: State, *steps: Request) -> tuple[Request, ...]:
    """Return what is on its way when these steps have just been sent as well."""
    return tuple(sorted((*state.late, *(step for step in steps if step.name in FAULTS)), key=repr))


def killed(state: State, number: int, node: Node) -> State:
    """Kill a worker: its marks stay, and what it has just sent may still arrive."""
    late = with_late(state, *(step for _, step, _ in node.pending if step.name != "select"))
    nodes = (*state.nodes[:number], None, *state.nodes[number + 1 :])
    expected = tuple(item for item in state.expected if item[0] not in node.looking)
    return canonical(state._replace(nodes=nodes, faults=state.faults - 1, late=late, expected=expected))


def losses(state: State, entry: Entry) -> Iterator[Successor]:
    """Let the entry run out, be evicted or be flushed; of a tombstone also the announcement that is due first."""
    waiting = writers(entry)
    if waiting:
        announced = state.announced & ~bit(waiting[-1][0])
        left = tombstone(waiting[:-1]) if waiting[1:] else None
        yield ("the first deadline passes",), state._replace(entry=left, announced=announced)
    if len(waiting) != 1:
        yield ("the entry is lost",), state._replace(entry=None, announced=0 if waiting else state.announced)


def affect(state: State, number: int, effect: Effect, changes: dict[str, Any]) -> None:
    """Put into `changes` what a thread of worker `number` did; raise StaleReadError for an answer that is too old."""
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
            raise StaleReadError(f"{effect.thread} is shown {effect.value:02b}, and {due:02b} was due")


def canonical(state: State) -> State:
    """Return the one of all states with the same future that stands for them."""
    entry, late = state.entry, state.late
    lease = entry.content[len(LEASE) :] if entry and entry.content and entry.content.startswith(LEASE) else b""
    if late:
        # A lease taken late belongs to nobody, and what needs a lease that is gone, or in other hands, does nothing.
        late = tuple(
            [
                step._replace(arguments=(_NOBODY, *step.arguments[1:])) if step.name == "read" else step
                for step in late
                if step.name not in ("fill", "abandon") or step.arguments[0] == lease
            ]
        )
        if late != state.late:
            state = state._replace(late=late)
    if lease and lease != _NOBODY and not _can_be_used(lease, state):
        return state._replace(entry=Entry(LEASE + _NOBODY, state.entry and state.entry.expires))
    return state


def _can_be_used(lease: bytes, state: State) -> bool:
    for node in state.nodes:
        if node and lease in node.leases:
            return True
    return any(step.arguments[0] == lease for step in state.late)
