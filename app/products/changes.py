"""The changes that a `changing_stats` block permits, and the breakdown that each of them leaves."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Self

from app.products.breakdown import AsinStats
from app.products.errors import UnannouncedChangeError


@dataclass(frozen=True, slots=True)
class Envelope:
    """The result of a SQL function that changes rows; see docs/data.md.

    Attributes:
        answer: the answer of the function itself, any JSON.
        stats: the user's breakdown as the transaction of the change left it.
        version: the version of this breakdown, from 1. Later breakdowns of the user have higher versions.

    """

    answer: Any
    stats: AsinStats
    version: int

    @classmethod
    def parse(cls, document: object) -> Self:
        """Parse `{"answer": …, "stats": {…}, "version": …}`. Raises ValueError for anything else."""
        if not isinstance(document, dict) or document.keys() != {"answer", "stats", "version"}:
            raise ValueError("not the result of a change")
        version = document["version"]
        if type(version) is not int or version < 1:
            raise ValueError("a version is a number from 1")
        return cls(document["answer"], AsinStats.parse(document["stats"]), version)


@dataclass(slots=True)
class Announcement:
    """Permission to change the rows of one user. `last` is the result of the last change, None before the first."""

    last: Envelope | None = None


_announcements: Final[ContextVar[Mapping[str, Announcement]]] = ContextVar(
    "announcements", default=MappingProxyType({})
)
"""The announcements in force, by user id. A new thread starts with none."""


@contextmanager
def announced(user_id: str) -> Iterator[Announcement]:
    """Permit changes to the rows of `user_id` inside the block. Only `changing_stats` may use it."""
    announcement = Announcement()
    reset = _announcements.set({**_announcements.get(), user_id: announcement})
    try:
        yield announcement
    finally:
        _announcements.reset(reset)


def announcement_for(user_id: str) -> Announcement:
    """Return the announcement in force for `user_id`. Raises UnannouncedChangeError if there is none."""
    try:
        return _announcements.get()[user_id]
    except KeyError:
        raise UnannouncedChangeError("A change must be inside `with changing_stats(user_id)`") from None
