"""The ASIN status breakdown: the memoized function, its key, and the block that every change to products needs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from app.caching import JsonCodec, Memoized
from app.database import DatabaseUnavailableError, OutcomeUnknownError
from app.extensions import cache
from app.products.breakdown import AsinStats
from app.products.changes import Announcement, announced
from app.products.context import database_is_available, own_repository

_JSON = JsonCodec()


class _StatsCodec:
    """Store the JSON of the API: it is readable in Redis, and a value that somebody planted cannot execute code."""

    def encode(self, value: AsinStats) -> bytes:
        return _JSON.encode(value.document())

    @staticmethod
    @lru_cache(maxsize=4096)  # hits return the same bytes until the numbers change
    def decode(payload: bytes) -> AsinStats:
        return AsinStats.parse(_JSON.decode(payload))


@lru_cache(maxsize=4096)
def _key(user_id: str) -> str:
    """Return the canonical text of a user id, so that different spellings have the same entry."""
    return str(UUID(user_id))


@cache.memoize(
    key=_key,
    codec=_StatsCodec(),
    failing_with=DatabaseUnavailableError,
    worth_waiting=database_is_available,
)
def asin_status_stats(user_id: str) -> AsinStats:
    """Return the breakdown of one user.

    The user id is the whole key. The caller's token is only the credential for the database.

    Raises:
        DatabaseUnavailableError: the database does not answer, or its answer is not a breakdown.
        ValueError: `user_id` is not the caller.

    """
    repository = own_repository(user_id)
    try:
        return AsinStats.parse(repository.asin_stats())
    except ValueError:
        raise DatabaseUnavailableError("The database sent contradictory numbers. Please try again.") from None


AFFECTED_BY_CHANGES: Final[tuple[Memoized[[str], Any], ...]] = (asin_status_stats,)
"""The memoized functions whose results a change to a user's products affects. Their only argument is the user id."""


@contextmanager
def changing_stats(user_id: str) -> Iterator[None]:
    """Permit changes to the products of `user_id` inside the block, and update the cached results of the user after it.

    The block is a write of `cache.writing` for each function in `AFFECTED_BY_CHANGES`. At its end, the entry of the
    breakdown gets the numbers that the last change of the block returned. It is deleted instead if no change returned
    any, for example because the change was refused. The entries of the other functions are always deleted. If the
    outcome of a change is unknown, no result is stored until the writer's deadline, because the database may still
    commit. This is also the case when the process is interrupted inside the block. While the database is down, the
    block is not entered, so that the cached results are kept.

    Raises:
        DatabaseUnavailableError: the database is down.

    """
    if not database_is_available():
        raise DatabaseUnavailableError
    with ExitStack() as writes, announced(user_id) as announcement:
        for function in AFFECTED_BY_CHANGES:
            writes.enter_context(cache.writing(function, user_id))
        try:
            yield
        except OutcomeUnknownError:
            raise
        except Exception:
            _end_writes(user_id, announcement)
            raise
        _end_writes(user_id, announcement)


def _end_writes(user_id: str, announcement: Announcement) -> None:
    """Replace the breakdown with the one that the last change returned, if any. Delete the other results."""
    last = announcement.last
    for function in AFFECTED_BY_CHANGES:
        if function is asin_status_stats and last:
            asin_status_stats.replace(last.stats, last.version, user_id)
        else:
            cache.delete_memoized(function, user_id)
