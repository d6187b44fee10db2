"""The history of the clients' operations, and the checker: a pure function that returns a history's violations.

All times are seconds of one monotonic clock that all clients share, so they can be compared.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate


class Kind(StrEnum):
    """The kind of an operation."""

    CREATE = "create"
    DELETE = "delete"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of one client.

    A product is created, may then be deleted, and is never created again. Each attempt is an operation of its own.

    Attributes:
        kind: what the client requested.
        user: id of the owner of the products or counts.
        started: time before the request was sent.
        ended: time after the answer arrived; infinite while there is none.
        done: whether the answer confirmed the change. Otherwise it may have happened, or may happen at any later time.
        product: the product that was created or deleted; or the name of a batch of an import, which creates several.
        amount: the number of products that were created or deleted.
        seen: the count that a read returned; None if it returned none.
        status: HTTP status; 0 when the connection was lost.
        note: the Cache-Status of the answer and the worker it came from.

    """

    kind: Kind
    user: str
    started: float
    ended: float = math.inf
    done: bool = False
    product: str = ""
    amount: int = 1
    seen: int | None = None
    status: int = 0
    note: str = ""

    @property
    def worker(self) -> str:
        """The process id of the worker that answered; empty if there was no answer."""
        return self.note.rpartition("worker ")[2]

    def __str__(self) -> str:
        """Return the operation as one line of a report."""
        result = f"saw {self.seen}" if self.kind is Kind.READ else self.product
        return f"{self.started:.6f} … {self.ended:.6f}  {self.kind:6} {result}  {self.status} {self.note} [{self.user}]"


@dataclass(frozen=True, slots=True)
class Violation:
    """A read outside its bounds, and an acknowledged change that it does not show, if one can be named."""

    read: Operation
    low: int
    high: int
    missed: Operation | None

    def __str__(self) -> str:
        """Return both operations with their times."""
        expected = str(self.low) if self.low == self.high else f"{self.low} to {self.high}"
        return f"expected {expected}:\n  {self.read}\n  does not show\n  {self.missed or 'unknown'}"


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The times between which a product may have existed.

    Attributes:
        create_started: start of the first attempt to create it.
        created: first acknowledgement of its creation.
        delete_started: start of the first attempt to delete it.
        deleted: first acknowledgement of its deletion; infinite if an attempt to create it has an unknown outcome.
        amount: the number of products.

    """

    create_started: float
    created: float
    delete_started: float
    deleted: float
    amount: int


def lifetime(attempts: Iterable[Operation]) -> Lifetime:
    """Return the lifetime of the product of all `attempts`. A time is infinite if the event has not happened."""
    creates, deletes = list[Operation](), list[Operation]()
    for attempt in attempts:
        (creates if attempt.kind is Kind.CREATE else deletes).append(attempt)
    certain = all(create.done for create in creates)
    return Lifetime(
        create_started=min((create.started for create in creates), default=math.inf),
        created=min((create.ended for create in creates if create.done), default=math.inf),
        delete_started=min((delete.started for delete in deletes), default=math.inf),
        deleted=min((delete.ended for delete in deletes if delete.done and certain), default=math.inf),
        amount=(creates or deletes)[0].amount,
    )


def violations(history: Iterable[Operation]) -> list[Violation]:
    """Return the reads whose count is too low or too high.

    A read must show every creation acknowledged before it started, and no creation that started after it ended. The
    same holds for deletions. A change of unknown outcome widens the bounds.
    """
    by_user = defaultdict[str, list[Operation]](list)
    for operation in history:
        by_user[operation.user].append(operation)
    return [found for operations in by_user.values() for found in _of_one_user(operations)]


def hits(history: Iterable[Operation]) -> int:
    """Return the number of reads that were hits."""
    return sum("; hit" in operation.note for operation in history)


def all_served_hits(history: Iterable[Operation], *, workers: int, since: float) -> float:
    """Return when each of `workers` workers had served a hit after `since`; infinity if one has not yet."""
    first = dict[str, float]()
    for read in history:
        if read.started > since and "; hit" in read.note:
            first.setdefault(read.worker, read.ended)
    return max(first.values()) if len(first) >= workers else math.inf


def certain_products(history: Iterable[Operation], user: str) -> tuple[set[str], set[str]]:
    """Return the products that certainly exist after the history, and those that certainly do not, for `user`.

    Batches of imports are left out: their products have no names.
    """
    lifetimes = _lifetimes([each for each in history if each.user == user and each.amount == 1])
    present = {
        product for product, its in lifetimes.items() if its.created < math.inf and its.delete_started == math.inf
    }
    return present, {product for product, its in lifetimes.items() if its.deleted < math.inf}


def _lifetimes(operations: Sequence[Operation]) -> dict[str, Lifetime]:
    attempts = defaultdict[str, list[Operation]](list)
    for operation in operations:
        if operation.kind is not Kind.READ:
            attempts[operation.product].append(operation)
    return {product: lifetime(operations) for product, operations in attempts.items()}


class _Sums:
    """Sums of the amounts of events up to a time."""

    def __init__(self, events: Iterable[tuple[float, int]]) -> None:
        """Sort `events`: times and amounts."""
        ordered = sorted(events)
        self._times = [time for time, _ in ordered]
        self._sums = [0, *accumulate(amount for _, amount in ordered)]

    def before(self, time: float) -> int:
        return self._sums[bisect_left(self._times, time)]

    def until(self, time: float) -> int:
        return self._sums[bisect_right(self._times, time)]


def _of_one_user(operations: Sequence[Operation]) -> Iterator[Violation]:
    lifetimes = _lifetimes(operations).values()
    create_started = _Sums((each.create_started, each.amount) for each in lifetimes)
    created = _Sums((each.created, each.amount) for each in lifetimes)
    delete_started = _Sums((each.delete_started, each.amount) for each in lifetimes)
    deleted = _Sums((each.deleted, each.amount) for each in lifetimes)
    for read in operations:
        if read.seen is None:
            continue
        low = created.before(read.started) - delete_started.until(read.ended)
        high = create_started.until(read.ended) - deleted.before(read.started)
        if not low <= read.seen <= high:
            kind = Kind.CREATE if read.seen < low else Kind.DELETE
            yield Violation(read, low, high, _last(operations, kind, before=read.started))


def _last(operations: Sequence[Operation], kind: Kind, *, before: float) -> Operation | None:
    known = [each for each in operations if each.kind is kind and each.done and each.ended < before]
    return max(known, key=lambda each: each.ended, default=None)
