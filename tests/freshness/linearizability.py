"""A second judge of a history: is it linearizable? It does not use any knowledge about the cache.

A history is linearizable if each operation can be given one moment between its start and its end, so that all answers
are those of a store which performs one operation at each of these moments (M. Herlihy and J. Wing, *Linearizability*,
1990). This is stronger than the bounds of `history.violations`: once a read has shown a change, no later read may show
the numbers from before it, even if the change is not acknowledged yet.

The search is the one of J. Wing and C. Gong (*Testing and verifying concurrent objects*, 1993). It places operations
one after the other, and removes the last one again when an operation would end before it is placed. As G. Lowe
(*Testing for linearizability*, 2017) proposed, it stores which sets of placed operations led to which state, and does
not search from the same point twice. The users are searched separately, because linearizability is a local property.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.freshness.history import Kind, Operation

_MOST_STEPS: Final = 3_000_000
_MOST_MISFITS: Final = 20


class SearchTooLongError(Exception):
    """The search needed more than `_MOST_STEPS` steps."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the search says about one user.

    Attributes:
        user: id of the user.
        reads: number of the reads that were answered.
        misfits: reads without which the history is linearizable; at most 20 are looked for. Empty: it is linearizable.

    """

    user: str
    reads: int
    misfits: tuple[Operation, ...]


def judge(history: Iterable[Operation]) -> list[Judgement]:
    """Return one judgement for each user."""
    by_user = defaultdict[str, list[Operation]](list)
    for operation in history:
        by_user[operation.user].append(operation)
    return [_judge_one(user, operations) for user, operations in by_user.items()]


def summary(judgements: Sequence[Judgement]) -> str:
    """Return one line for a report."""
    good = sum(not each.misfits for each in judgements)
    reads, misfits = sum(each.reads for each in judgements), sum(len(each.misfits) for each in judgements)
    return f"linearizable for {good} of {len(judgements)} users ({misfits} of {reads} reads do not fit)"


def misfits(history: Iterable[Operation]) -> list[Operation]:
    """Return the reads that do not fit, of all users."""
    return [read for judgement in judge(history) for read in judgement.misfits]


def _judge_one(user: str, operations: Sequence[Operation]) -> Judgement:
    """Search, leave out the read at which the search stopped, and search again until the rest is linearizable."""
    kept = [each for each in operations if each.kind is not Kind.READ or each.seen is not None]
    reads, found = sum(each.kind is Kind.READ for each in kept), list[Operation]()
    while len(found) < _MOST_MISFITS and (blocked := _Search(kept).blocked_read()):
        found.append(blocked)
        kept.remove(blocked)
    return Judgement(user, reads, tuple(found))


@dataclass(slots=True, eq=False)
class _Event:
    """The start or the end of an operation, in a doubly linked list ordered by time.

    `bit` is a number with one bit set, another one for each operation; `product` likewise for each product.
    """

    operation: Operation
    bit: int
    product: int
    end: "_Event | None" = None
    before: "_Event | None" = None
    after: "_Event | None" = None

    @property
    def is_end(self) -> bool:
        return self.bit == 0

    def unlink(self) -> None:
        """Take this event and its end out of the list."""
        for event in (self, self.end):
            if event and event.before:
                event.before.after = event.after
                if event.after:
                    event.after.before = event.before

    def relink(self) -> None:
        """Put both back; the last ones that were taken out must be put back first."""
        for event in (self.end, self):
            if event and event.before:
                event.before.after = event
                if event.after:
                    event.after.before = event


class _Search:
    """The search in the operations of one user.

    The state of the store is the set of the existing products, as a number with one bit for each, and their count.
    A change of unknown outcome has no end: it may be placed at any time after its start, or never.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._head = _linked(operations)
        self._to_place = sum(each.kind is Kind.READ or each.done for each in operations)
        self._placed = self._existing = self._count = 0
        self._path = list[tuple[_Event, int, int]]()
        self._visited = set[tuple[int, int]]()
        self._deepest = -1
        self._blocked: Operation | None = None

    def blocked_read(self) -> Operation | None:
        """Return None if the operations are linearizable, else the read at which the longest attempt ended.

        Raises:
            SearchTooLongError: the search was given up.

        """
        event = self._head.after
        for _ in range(_MOST_STEPS):
            if not self._to_place or event is None:
                return self._blocked if self._to_place else None
            if event.is_end:
                self._note(event.operation)
                event = self._take_back()
            else:
                event = self._head.after if self._place(event) else event.after
        raise SearchTooLongError

    def _place(self, event: _Event) -> bool:
        """Perform an operation next, if its answer fits and this has not been tried from the same point."""
        operation, existing, count = event.operation, self._existing, self._count
        if operation.kind is Kind.READ:
            if operation.seen != count:
                return False
        else:
            exists = bool(existing & event.product)
            if exists is not (operation.kind is Kind.CREATE):
                existing ^= event.product
                count += operation.amount if operation.kind is Kind.CREATE else -operation.amount
            elif not event.end:
                return False  # without effect now: it can still be placed later
            if (point := (self._placed | event.bit, existing)) in self._visited:
                return False
            self._visited.add(point)
        self._path.append((event, self._existing, self._count))
        self._placed, self._existing, self._count = self._placed | event.bit, existing, count
        self._to_place -= event.end is not None
        event.unlink()
        return True

    def _take_back(self) -> _Event | None:
        """Take back the last change, and the reads after it. Return the event to try next, None if nothing is left.

        A read that fits is never a wrong choice, because it changes nothing. So no alternative is tried for it.
        """
        while self._path:
            event, self._existing, self._count = self._path.pop()
            event.relink()
            self._placed ^= event.bit
            self._to_place += event.end is not None
            if event.operation.kind is not Kind.READ:
                return event.after
        return None

    def _note(self, blocking: Operation) -> None:
        if blocking.kind is Kind.READ and len(self._path) > self._deepest:
            self._deepest, self._blocked = len(self._path), blocking


def _linked(operations: Sequence[Operation]) -> _Event:
    """Return the head of the list of all events."""
    products = {name: 1 << number for number, name in enumerate({each.product for each in operations})}
    events = list[tuple[float, bool, _Event]]()
    for number, operation in enumerate(operations):
        start = _Event(operation, 1 << number, products[operation.product])
        events.append((operation.started, False, start))
        if operation.kind is Kind.READ or operation.done:
            start.end = _Event(operation, 0, 0)
            events.append((operation.ended, True, start.end))
    head = last = _Event(Operation(Kind.READ, "", -math.inf), 0, 0)
    for _, _, event in sorted(events, key=lambda each: each[:2]):
        last.after, event.before, last = event, last, event
    return head
