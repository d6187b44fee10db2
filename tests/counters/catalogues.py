"""Create a user's products on the native PostgreSQL, and check that the counters are correct."""

from typing import Any, Final

from tests.counters.oracle import differences
from tests.postgres import Session, execute

__all__ = ["add_products", "counter_errors"]

_ADD: Final = """
with p as (
    insert into public.products (user_id, title) select %s, 'P' from generate_series(1, %s) returning id, user_id
)
insert into public.deals (user_id, product_id) select user_id, id from p returning id
"""


def add_products(session: Session, user_id: str, number: int) -> list[str]:
    """Insert products with one deal each for a user, as an administrator. Return the ids of the deals."""
    return [str(row["id"]) for row in execute(session, _ADD, user_id, number)]


def counter_errors(session: Session, *user_ids: str) -> list[dict[str, Any]]:
    """Return the errors that `differences` finds, as seen in this session's transaction."""
    return differences(lambda text: execute(session, text), user_ids)
