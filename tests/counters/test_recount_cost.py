"""A recount costs as much as its user has, also where the planner knows nothing of that user."""

from typing import Final

from tests.counters.native import add_products
from tests.postgres import Session, acting_as, execute, new_user

_PRODUCTS: Final = 3000
_EXPLAINED: Final = "explain (analyze, buffers, format json) select public.recount_asin_stats(auth.uid())"


def test_a_recount_looks_at_each_product_a_few_times_whatever_the_planner_knows(
    administrator: Session, seller: str
) -> None:
    """Statistics from before the user came make it expect one row; all products, for each of them, are millions."""
    other = new_user(administrator)
    add_products(administrator, other, 1000)
    execute(administrator, "analyze public.products, public.deals, counting.products")
    add_products(administrator, seller, _PRODUCTS)

    with acting_as(administrator, seller):
        plan = execute(administrator, _EXPLAINED)[0]["QUERY PLAN"][0]["Plan"]

    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 50 * _PRODUCTS
    execute(administrator, "delete from auth.users where id = %s", other)
