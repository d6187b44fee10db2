"""Deletes cache entries for operators."""

from uuid import UUID

from app.extensions import cache
from app.products.stats import AFFECTED_BY_CHANGES


def flush_entries(user: UUID | None, *, force: bool = False) -> int | None:
    """Delete the entries of `user`, or all our entries for None. Entries with changes in progress need `force`.

    Returns the number of deleted entries, None when it is unknown. Raises CacheUnavailableError when Redis fails.
    """
    if user is None:
        return cache.flush(force=force)
    keys = [function.make_cache_key(str(user)) for function in AFFECTED_BY_CHANGES]
    return sum(cache.drop(key, force=force) for key in keys)
