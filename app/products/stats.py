"""The ASIN status breakdown: the memoized function, its key, and the block that every change to products needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from uuid import UUID

from app.caching import JsonCodec
from app.database import DatabaseUnavailableError, OutcomeUnknownError
from app.extensions import cache
from app.products.breakdown import AsinStats
from app.products.changes import Announcement, announced
from app.products.context import caller_repository, database_is_available

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
        DatabaseRefusalError: `user_id` is not the caller.

    """
    try:
        return AsinStats.parse(caller_repository().asin_stats(user_id))
    except ValueError:
        raise DatabaseUnavailableError("The database sent contradictory numbers. Please try again.") from None


@contextmanager
def changing_stats(user_id: str) -> Iterator[None]:
    """Permit changes to the products of `user_id` inside the block, and update the cached breakdown after it.

    The block is a write of `cache.writing`. At its end, the cache entry gets the breakdown that the last change of the
    block returned. The entry is deleted instead if no change returned one, for example because the change was refused.
    If the outcome of a change is unknown, no breakdown is stored until the writer's deadline, because the database may
    still commit. This is also the case when the process is interrupted inside the block. While the database is down,
    the block is not entered, so that the cached breakdown is kept.

    Raises:
        DatabaseUnavailableError: the database is down.

    """
    if not database_is_available():
        raise DatabaseUnavailableError
    with cache.writing(asin_status_stats, user_id), announced(user_id) as announcement:
        try:
            yield
        except OutcomeUnknownError:
            raise
        except Exception:
            _end_write(user_id, announcement)
            raise
        _end_write(user_id, announcement)


def _end_write(user_id: str, announcement: Announcement) -> None:
    """End the write of `changing_stats` with the breakdown that the last change returned, if there is one."""
    last = announcement.last
    if last is None:
        cache.delete_memoized(asin_status_stats, user_id)
    else:
        asin_status_stats.replace(last.stats, last.version, user_id)
