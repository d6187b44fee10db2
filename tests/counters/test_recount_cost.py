"""The cost of a recount is bounded by the user's own products, even without planner statistics of this user."""

from typing import Final

import pytest

from tests.counters.catalogues import add_products
from tests.postgres import Session, acting_as, execute, new_user

_MOST_BLOCKS_PER_PRODUCT: Final = 15  # measured: nine
_EXPLAINED: Final = "explain (analyze, buffers, format json) select public.recount_asin_stats(auth.uid())"


@pytest.mark.parametrize(("products", "of_others"), [(3_000, 1_000), (50, 20_000)])
def test_a_recount_reads_few_blocks_per_product_without_statistics_of_the_user(
    administrator: Session, seller: str, products: int, of_others: int
) -> None:
    """The statistics are older than the user, so the planner expects one row.

    The recount must neither read all products once per product nor read the products of other users.
    """
    other = new_user(administrator)
    add_products(administrator, other, of_others)
    execute(administrator, "analyze public.products, public.deals, counting.products")
    add_products(administrator, seller, products)

    with acting_as(administrator, seller):
        plan = execute(administrator, _EXPLAINED)[0]["QUERY PLAN"][0]["Plan"]

    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < _MOST_BLOCKS_PER_PRODUCT * products
    execute(administrator, "delete from auth.users where id = %s", other)
