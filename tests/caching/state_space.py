"""States of an exploration and the transitions between them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from app.caching.policy import Timing
from tests.caching.steps import Effect, PendingStep
from tests.caching.store_model import COMMANDS, LEASE, Entry, Writing, writing
from tests.caching.workers import Node

FAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(COMMANDS, ("timeout", "disconnect", "refusal")),
    "begin": ("timeout", "disconnect", "refusal", "repeated"),
    "select": ("unavailable", "rejected"),
    "commit": ("unknown", "rejected"),
}
"""Faults by step: a Redis call times out, loses its connection or returns an error; the database fails or refuses.

`repeated`: the client sent the command twice, because the first attempt timed out. Only the second was answered.
"""
OUTCOME_UNKNOWN: Final = {"timeout", "disconnect", "unknown", "repeated"}
"""Faults after which the step may still be executed, at any later time or never."""
LIFE: Final = round(1000 * Timing().writer)
"""The deadline of a writer, in milliseconds. The clock stands still at 0; events change the deadlines instead."""
_OVERLAP: Final = round(1000 * Timing().overlap)
_TTL: Final = 10_000
_LATE: Final = 1
"""The deadline of a begin that ran late is earlier by this, so that it differs from the confirmed deadline."""
_NO_OWNER: Final = b"nobody"


class State(NamedTuple):
    """A state of the exploration. Sets of writes and of workers are bit masks.

    Attributes:
        nodes: the state of each worker; None for a killed worker.
        faults: how many faults may still happen.
        entry: the entry in Redis.
        database: the committed writes.
        due: the writes that a read starting now must show; see `Exploration`.
        announced: writes whose `begin` ran, and whose announcement only the writer itself may remove.
        outlasted: those of them that are due when they are committed: the overlap has passed since their begin, or
            their outcome was reported as unknown.
        clean: whether no fault has happened, and no entry with writers in flight was lost.
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
    outlasted: int = 0
    clean: bool = True
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
    return canonical(state._replace(nodes=nodes, faults=state.faults - 1, clean=False, late=late, expected=expected))


def losses(state: State, entry: Entry) -> Iterator[Successor]:
    """Yield the states after the entry expires, is evicted or is flushed, and after a writer's deadline."""
    found = writing(entry.content)
    alive = [writer for writer in found.writers if writer[1]] if found else []
    if found and alive:
        changes: dict[str, Any] = {"clean": False}
        outlast(state, bit(alive[-1][0]), changes)
        forget(state, bit(alive[-1][0]), changes)
        passed = tuple((token, 0 if token == alive[-1][0] else at) for token, at in found.writers)
        changes["entry"] = normal(found._replace(writers=passed).entry()) if alive[1:] else None
        yield ("the first deadline passes",), canonical(state._replace(**changes))
    lost: dict[str, Any] = {"announced": 0, "outlasted": 0, "clean": False} if found else {}
    yield ("the entry is lost",), canonical(state._replace(entry=None, **lost))


def ageing(state: State, entry: Entry) -> Iterator[Successor]:
    """Yield the states after the kept value has expired, and after the overlap of the first writer has passed."""
    found = writing(entry.content)
    if found and found.expires:
        yield ("the kept value expires",), state._replace(entry=normal(found._replace(expires=0).entry()))
    listed = found.writers if found else ()
    fresh = [token for token, at in listed if at >= LIFE - _LATE] if found and found.use == b"serving" else []
    unlisted = state.announced & state.database & ~state.outlasted & ~sum(bit(token) for token, _ in listed)
    for token in (*fresh[-1:], *(b"W%d" % number for number in (1, 2, 3) if unlisted & 1 << number - 1)):
        changes: dict[str, Any] = {}
        pass_overlap(state, token, changes)
        yield ("the overlap passes", token), canonical(state._replace(**changes))


def pass_overlap(state: State, token: bytes, changes: dict[str, Any]) -> None:
    """Let the overlap pass of a writer and of all writers that began before it."""
    outlast(state, bit(token), changes)
    found = writing(state.entry.content) if state.entry else None
    tokens = [each for each, _ in found.writers] if found else []
    if found and token in tokens:
        before, first = found.writers[: tokens.index(token)], found.writers[tokens.index(token) :]
        for each, _ in first:
            outlast(state, bit(each), changes)
        aged = tuple((each, at - _OVERLAP if at >= LIFE - _LATE else at) for each, at in first)
        changes["entry"] = normal(found._replace(writers=before + aged).entry())


def outlast(state: State, change: int, changes: dict[str, Any]) -> None:
    """Make an announced change due: now if it is committed, or else when it is."""
    announced = change & changes.get("announced", state.announced)
    changes["outlasted"] = changes.get("outlasted", state.outlasted) | announced
    changes["due"] = changes.get("due", state.due) | announced & state.database


def forget(state: State, change: int, changes: dict[str, Any]) -> None:
    """Remove the announcement of a change."""
    for name in ("announced", "outlasted"):
        changes[name] = changes.get(name, getattr(state, name)) & ~change


def ran_late(entry: Entry) -> Entry:
    """Mark the writer that has just begun as one whose begin ran late."""
    found = writing(entry.content)
    assert found
    (token, at), *others = found.writers
    return Entry(found._replace(writers=((token, at - _LATE), *others)).entry().content, entry.expires)


def confirmed(entry: Entry | None, step: PendingStep) -> tuple[Any, ...]:
    """Return the arguments of an end, with the deadline that begin returned changed as the events changed it."""
    found = writing(entry.content) if entry else None
    at = dict(found.writers).get(step.arguments[0], 0) if found else 0
    if len(step.arguments) > 2 and at and at % _OVERLAP == step.arguments[2] % _OVERLAP:
        return *step.arguments[:2], at, *step.arguments[3:]
    return step.arguments


def normal(entry: Entry | None) -> Entry | None:
    """Return the representative of the entries that differ only in times, and in values that nobody reads."""
    found = writing(entry.content) if entry and entry.content else None
    if entry is None or entry.content is None:
        return entry
    if found is None:
        return entry._replace(expires=_TTL) if entry.content[:1] == b"{" else entry
    serving = found.use == b"serving"
    at = [(token, at if serving or not at else LIFE - (_LATE if at % _OVERLAP else 0)) for token, at in found.writers]
    expires = _TTL if found.expires > 0 else 0
    value = found.value if expires else b""
    return Entry(Writing(found.use, tuple(at), expires, found.version, value).entry().content, LIFE)


def affect(state: State, number: int, effect: Effect, changes: dict[str, Any]) -> None:
    """Add an effect of a thread of worker `number` to `changes`; raise StaleReadError if its answer is stale."""
    marks: int = changes.get("marks", state.marks)
    if effect.name == "mark":
        changes["marks"] = marks | 1 << number
    elif effect.name == "unmark":
        changes["marks"] = marks & ~(1 << number)
    elif effect.name == "acknowledge":
        changes["due"] = changes.get("due", state.due) | effect.value
    elif effect.name == "unknown":
        outlast(state, effect.value, changes)
    elif effect.name == "answer":
        if changes.get("clean", state.clean):  # without faults, no later read shows older data
            changes["due"] = changes.get("due", state.due) | effect.value
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
                if step.name != "peek" and (step.name not in ("fill", "abandon") or step.arguments[0] == lease)
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
