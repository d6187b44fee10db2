"""What clients saw, as a history of operations, and the checker: a pure function from a history to its violations.

All times are seconds of the clients' one monotonic clock, so "before" means before for everybody.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a client did."""

    CREATE = "create"
    DELETE = "delete"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of one client.

    A product is created, then perhaps deleted, and never created again. Several attempts at the same are several
    operations.

    Attributes:
        kind: what was asked for.
        user: whose products or numbers.
        started: before the request was sent.
        ended: after the answer had come; infinite while there is none.
        done: the answer said that it was done. Otherwise it may have happened, or may still happen, at any time.
        product: which one was created or deleted.
        seen: the count a read showed; None when it showed none.
        status: HTTP status; 0 when the connection was lost.
        note: the Cache-Status of the answer and the worker it came from.

    """

    kind: Kind
    user: str
    started: float
    ended: float = math.inf
    done: bool = False
    product: str = ""
    seen: int | None = None
    status: int = 0
    note: str = ""

    @property
    def worker(self) -> str:
        """Process id of the worker that answered; empty when none did."""
        return self.note.rpartition("worker ")[2]

    def __str__(self) -> str:
        """Return one line for a report."""
        what = f"saw {self.seen}" if self.kind is Kind.READ else self.product
        return f"{self.started:.6f} … {self.ended:.6f}  {self.kind:6} {what}  {self.status} {self.note} [{self.user}]"


@dataclass(frozen=True, slots=True)
class Violation:
    """A read outside its bounds, and the acknowledged change it does not show, where one can be named."""

    read: Operation
    low: int
    high: int
    missed: Operation | None

    def __str__(self) -> str:
        """Return both operations with their times."""
        expected = str(self.low) if self.low == self.high else f"{self.low} to {self.high}"
        return f"expected {expected}:\n  {self.read}\n  does not show\n  {self.missed or 'no one change in particular'}"


@dataclass(frozen=True, slots=True)
class Life:
    """When a product may have come and gone.

    Attributes:
        conceived: the first attempt to create it began.
        born: its creation was first acknowledged.
        dying: the first attempt to delete it began.
        dead: its deletion was first acknowledged, and no attempt to create it is still at large.

    """

    conceived: float
    born: float
    dying: float
    dead: float


def life(attempts: Iterable[Operation]) -> Life:
    """Return the life of the product that all `attempts` are about; infinity stands for what has not happened."""
    creates, deletes = list[Operation](), list[Operation]()
    for attempt in attempts:
        (creates if attempt.kind is Kind.CREATE else deletes).append(attempt)
    certain = all(create.done for create in creates)
    return Life(
        conceived=min((create.started for create in creates), default=math.inf),
        born=min((create.ended for create in creates if create.done), default=math.inf),
        dying=min((delete.started for delete in deletes), default=math.inf),
        dead=min((delete.ended for delete in deletes if delete.done and certain), default=math.inf),
    )


def violations(history: Iterable[Operation]) -> list[Violation]:
    """Return the reads that show less than was acknowledged before they began, or more than was begun when they ended.

    Deletions likewise. A change of unknown outcome counts for nobody's certainty: it widens the bounds.
    """
    by_user = defaultdict[str, list[Operation]](list)
    for operation in history:
        by_user[operation.user].append(operation)
    return [found for operations in by_user.values() for found in _of_one_user(operations)]


def hits(history: Iterable[Operation]) -> int:
    """Count the reads that the cache answered."""
    return sum("; hit" in operation.note for operation in history)


def all_served_hits(history: Iterable[Operation], *, workers: int, since: float) -> float:
    """Return when the last of so many workers had served its first hit since then; infinity when one has not yet."""
    first = dict[str, float]()
    for read in history:
        if read.started > since and "; hit" in read.note:
            first.setdefault(read.worker, read.ended)
    return max(first.values()) if len(first) >= workers else math.inf


def outcome(history: Iterable[Operation], user: str) -> tuple[set[str], set[str]]:
    """Return the products that `user` certainly has when all is over, and those they certainly have not."""
    lives = _lives([operation for operation in history if operation.user == user])
    present = {product for product, its in lives.items() if its.born < math.inf and its.dying == math.inf}
    return present, {product for product, its in lives.items() if its.dead < math.inf}


def _lives(operations: Sequence[Operation]) -> dict[str, Life]:
    attempts = defaultdict[str, list[Operation]](list)
    for operation in operations:
        if operation.kind is not Kind.READ:
            attempts[operation.product].append(operation)
    return {product: life(its) for product, its in attempts.items()}


def _of_one_user(operations: Sequence[Operation]) -> Iterator[Violation]:
    lives = list(_lives(operations).values())
    conceived, born = sorted(each.conceived for each in lives), sorted(each.born for each in lives)
    dying, dead = sorted(each.dying for each in lives), sorted(each.dead for each in lives)
    for read in operations:
        if read.seen is None:
            continue
        low = bisect_left(born, read.started) - bisect_right(dying, read.ended)
        high = bisect_right(conceived, read.ended) - bisect_left(dead, read.started)
        if not low <= read.seen <= high:
            kind = Kind.CREATE if read.seen < low else Kind.DELETE
            yield Violation(read, low, high, _last(operations, kind, before=read.started))


def _last(operations: Sequence[Operation], kind: Kind, *, before: float) -> Operation | None:
    known = [each for each in operations if each.kind is kind and each.done and each.ended < before]
    return max(known, key=lambda each: each.ended, default=None)
