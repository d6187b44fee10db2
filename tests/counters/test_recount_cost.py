"""A recount costs as much as its user has, also where the planner knows nothing of that user."""

from typing import Final

import pytest

from tests.counters.native import add_products
from tests.postgres import Session, acting_as, execute, new_user

_BLOCKS_PER_PRODUCT: Final = 15  # it takes nine
_EXPLAINED: Final = "explain (analyze, buffers, format json) select public.recount_asin_stats(auth.uid())"


@pytest.mark.parametrize(("products", "of_others"), [(3_000, 1_000), (50, 20_000)])
def test_a_recount_looks_at_each_product_a_few_times_whatever_the_planner_knows(
    administrator: Session, seller: str, products: int, of_others: int
) -> None:
    """Statistics from before the user came make it expect one row; neither all products for each, nor everybody's."""
    other = new_user(administrator)
    add_products(administrator, other, of_others)
    execute(administrator, "analyze public.products, public.deals, counting.products")
    add_products(administrator, seller, products)

    with acting_as(administrator, seller):
        plan = execute(administrator, _EXPLAINED)[0]["QUERY PLAN"][0]["Plan"]

    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < _BLOCKS_PER_PRODUCT * products
    execute(administrator, "delete from auth.users where id = %s", other)
