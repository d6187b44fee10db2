"""Measures the calls to Supabase, for `/metrics`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from supabase_auth.errors import AuthApiError

from app.database.errors import DatabaseRefusalError
from app.metrics.catalogue import DATABASE_CALLS


@contextmanager
def measured(function: str) -> Iterator[None]:
    """Count the call inside the block with its duration and its result.

    The result is `ok`, `refused` when the database answered with a refusal, and `failed` otherwise. `function` is the
    name of the SQL function, or `auth` for a call to Supabase Auth.
    """
    started, result = time.perf_counter(), "failed"
    try:
        yield
        result = "ok"
    except DatabaseRefusalError:
        result = "refused"
        raise
    except AuthApiError as error:
        result = "refused" if error.status < 500 else "failed"
        raise
    finally:
        DATABASE_CALLS.observe(time.perf_counter() - started, function, result)
