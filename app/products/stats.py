"""The ASIN status breakdown: the memoized function, its key, and the block that every change to products needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple, Self
from uuid import UUID

from app.caching import JsonCodec
from app.database import DatabaseUnavailableError, OutcomeUnknownError
from app.extensions import cache
from app.products.context import caller_repository, database_is_available
from app.products.repository import announced

_MAX_COUNT = 2**53  # larger JSON numbers are not exact in every client


class AsinStats(NamedTuple):
    """The number of a user's products with an active deal, by status. The four statuses sum to `total`."""

    total: int
    asin_found: int
    needs_selection: int
    needs_asin: int
    manual_entry: int

    @classmethod
    def parse(cls, document: object) -> Self:
        """Parse `{"all": …, "asin_found": …, …}`. Raises ValueError for anything else, including a wrong sum."""
        names = ["all", *cls._fields[1:]]
        if not isinstance(document, dict) or set(document) != set(names):
            raise ValueError("not a status breakdown")
        numbers = [document[name] for name in names]
        if not all(type(number) is int and 0 <= number < _MAX_COUNT for number in numbers):
            raise ValueError("a status breakdown holds counts")
        if sum(numbers[1:]) != numbers[0]:
            raise ValueError("the four statuses must sum to all")
        return cls(*numbers)

    def document(self) -> dict[str, int]:
        """Return the JSON form."""
        return {
            "all": self.total,
            "asin_found": self.asin_found,
            "needs_selection": self.needs_selection,
            "needs_asin": self.needs_asin,
            "manual_entry": self.manual_entry,
        }


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
    """Permit changes to the products of `user_id` inside the block, and invalidate the cached breakdown.

    A tombstone replaces the user's cache entry before the block and is deleted after it, also when the block fails.
    When the outcome of the change is unknown, the tombstone stays until its deadline, because the database may still
    commit. While the database is down, the block is not entered, so that the cached breakdown is kept.

    Raises:
        DatabaseUnavailableError: the database is down.

    """
    if not database_is_available():
        raise DatabaseUnavailableError
    with cache.writing(asin_status_stats, user_id), announced(user_id):
        try:
            yield
        except OutcomeUnknownError:
            raise
        except BaseException:
            cache.delete_memoized(asin_status_stats, user_id)
            raise
        cache.delete_memoized(asin_status_stats, user_id)
