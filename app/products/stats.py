"""The ASIN status breakdown: the memoized function, its key, and what every change to products must wrap itself in."""

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

_LARGEST = 2**53  # beyond it JSON numbers are no longer exact everywhere


class AsinStats(NamedTuple):
    """How many of a user's products with an active deal are in each status; the four sum to `total`."""

    total: int
    asin_found: int
    needs_selection: int
    needs_asin: int
    manual_entry: int

    @classmethod
    def parse(cls, document: object) -> Self:
        """Read `{"all": …, "asin_found": …, …}`. Raises ValueError for anything else, wrong sums included."""
        names = ["all", *cls._fields[1:]]
        if not isinstance(document, dict) or set(document) != set(names):
            raise ValueError("not a status breakdown")
        numbers = [document[name] for name in names]
        if not all(type(number) is int and 0 <= number < _LARGEST for number in numbers):
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
    """The stored form is the JSON a client gets: readable in Redis, and worthless to whoever plants something else."""

    def encode(self, value: AsinStats) -> bytes:
        return _JSON.encode(value.document())

    @staticmethod
    @lru_cache(maxsize=4096)  # the same few bytes come back with every hit until they change
    def decode(payload: bytes) -> AsinStats:
        return AsinStats.parse(_JSON.decode(payload))


@lru_cache(maxsize=4096)
def _key(user_id: str) -> str:
    """Return the one canonical text of a user id, so that no two spellings are two entries."""
    return str(UUID(user_id))


@cache.memoize(
    key=_key,
    codec=_StatsCodec(),
    failing_with=DatabaseUnavailableError,
    worth_waiting=database_is_available,
)
def asin_status_stats(user_id: str) -> AsinStats:
    """Return the breakdown of one user. The user id is the whole key; the caller's token is only the credential.

    Raises:
        DatabaseUnavailableError: the database does not answer, or not with a breakdown.
        DatabaseRefusalError: `user_id` is not the caller.

    """
    try:
        return AsinStats.parse(caller_repository().asin_stats(user_id))
    except ValueError:
        raise DatabaseUnavailableError("The database sent contradictory numbers. Please try again.") from None


@contextmanager
def changing_stats(user_id: str) -> Iterator[None]:
    """Wrap a change to `user_id`'s products: announced before, invalidated after, whatever the outcome.

    Only when the outcome is unknown does the announcement stand until its deadline: the commit may still come. A change
    that a database known to be down would not take is refused first, so that what is cached stays.

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
