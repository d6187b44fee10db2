"""Generate candidates for the products of the demo catalogue: listings that may be the product.

The data is invented, and the same on every run.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from local.catalogue import DemoRow, demo_rows, random_asin, weighted

__all__ = ["DemoCandidate", "demo_candidates"]

_NUMBER_WEIGHTS: Final = {"0": 42, "1": 18, "2": 15, "3": 13, "4": 8, "5": 4}
_CATEGORIES: Final = ("Home & Kitchen", "Office Products", "Sports & Outdoors", "Pet Supplies", "Patio, Lawn & Garden")
# What follows the title of the product, and the units per package.
_VARIANTS: Final = (("", 1), (" (New Packaging)", 1), (", 2 Pack", 2), (", 3 Pack", 3), (" with Storage Bag", 1))


@dataclass(frozen=True)
class DemoCandidate:
    """A listing that may be a product. The fields are those of `add_candidates`."""

    upc: str
    asin: str
    title: str
    brand: str
    category: str
    package_quantity: int
    sales_rank: int
    source: str


def demo_candidates() -> Iterator[DemoCandidate]:
    """Yield candidates of the products that have a UPC and no ASIN. Every call yields the same candidates.

    Some products have none, some have one, and the others have several.
    """
    products = {row.upc: row for row in demo_rows() if row.upc and not row.asin}
    for upc, row in products.items():
        yield from _candidates(random.Random(upc), upc, row)  # noqa: S311 - not used for security


def _candidates(rng: random.Random, upc: str, row: DemoRow) -> Iterator[DemoCandidate]:
    category = rng.choice(_CATEGORIES)
    for suffix, units in rng.sample(_VARIANTS, k=int(weighted(rng, _NUMBER_WEIGHTS))):
        yield DemoCandidate(
            upc=upc,
            asin=random_asin(rng),
            title=row.title + suffix,
            brand=row.brand,
            category=category,
            package_quantity=units,
            sales_rank=rng.randint(150, 480_000),
            source="Demo look-up",
        )
