"""Generate the demo seller's catalogue as import rows. The data is invented, and the same on every run."""

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

__all__ = ["PRODUCTS", "DemoRow", "demo_rows", "random_asin", "weighted"]

PRODUCTS: Final = 2400
"""Number of products in the demo catalogue."""

_SEED: Final = 20261123
_BRANDS: Final = (
    *("Alderbrook", "Brightwell", "Cascadia Goods", "Dunmore", "Elmhurst Home", "Fernway", "Galloway & Pine"),
    *("Harrowgate", "Inkwell", "Juniper Lane", "Kestrel", "Larkspur", "Millstone", "Northfold", "Oakhaven"),
    *("Pemberly", "Quillon", "Ridgeline", "Saltmarsh", "Thistledown", "Umberly", "Valewood", "Wexcombe"),
)
_SUPPLIERS: Final = (
    *("Harbor Wholesale", "Midwest Closeouts", "Blue Anchor Trading", "Summit Distribution", "Fairview Liquidators"),
    *("Tri-State Supply", "Cedar & Sons", "Lakeside Importers", "Prairie Direct", "Golden Gate Surplus"),
    *("Ironbridge Brands", "Coastal Overstock"),
)
# Noun, variants, lowest and highest buy cost in dollars.
_ITEMS: Final[tuple[tuple[str, tuple[str, ...], int, int], ...]] = (
    ("Stainless Steel Water Bottle", ("17 oz, Slate", "24 oz, Moss", "32 oz, White"), 4, 12),
    ("Bamboo Cutting Board", ("Small", "Medium with Juice Groove", "Set of 3"), 5, 18),
    ("Ceramic Pour-Over Coffee Dripper", ("1 Cup", "2 Cup", "4 Cup"), 6, 14),
    ("LED Desk Lamp", ("Dimmable, Black", "Clip-On, White", "with USB Port"), 9, 24),
    ("Resistance Bands", ("Set of 5", "Heavy, Pair", "Fabric, Set of 3"), 3, 11),
    ("Silicone Baking Mats", ("2 Pack", "4 Pack", "Half Sheet, 3 Pack"), 3, 9),
    ("Dog Chew Toy", ("Small Breed", "Large Breed", "Variety 4 Pack"), 2, 8),
    ("Cotton Bath Towels", ("Set of 2, Sand", "Set of 4, Gray", "Set of 6, White"), 8, 27),
    ("Gel Ink Pens", ("12 Pack, Black", "24 Pack, Assorted", "Fine Point, 10 Pack"), 2, 7),
    ("Board Game Card Sleeves", ("100 Count", "200 Count", "Mini, 150 Count"), 2, 6),
    ("Travel Packing Cubes", ("Set of 4", "Set of 6", "Compression, Set of 3"), 6, 19),
    ("Garden Pruning Shears", ("Bypass, 8 in", "Anvil, 8 in", "Floral Snips"), 5, 16),
    ("Wooden Building Blocks", ("50 Pieces", "100 Pieces", "Alphabet Set"), 7, 22),
    ("Microfiber Cleaning Cloths", ("12 Pack", "24 Pack", "Glass, 8 Pack"), 3, 10),
    ("Phone Tripod Stand", ("50 in", "62 in with Remote", "Desktop"), 6, 20),
)
_IDENTIFIER_WEIGHTS: Final = {"asin": 62, "upc": 28, "title": 10}
_STAGE_WEIGHTS: Final = {"new": 34, "researching": 22, "contacted": 16, "ordered": 12, "received": 9, "rejected": 7}
_MINIMUM_ORDERS: Final = (None, 1, 6, 12, 24, 48, 100, 250)
_NOTES: Final = (
    "Ask for a better price above 48 units.",
    "Check the restriction before ordering.",
    "Case pack differs from the listing.",
    "Good margin at the last price check.",
)


@dataclass(frozen=True)
class DemoRow:
    """One deal with its product. The fields are those of `import_deals`; `buy_cost` is in dollars, as text."""

    asin: str | None
    upc: str | None
    title: str
    brand: str
    supplier: str
    buy_cost: str | None
    moq: int | None
    stage: str
    favorite: bool
    notes: str


def demo_rows(products: int = PRODUCTS) -> Iterator[DemoRow]:
    """Yield the deals of the first `products` products. Every call yields the same deals."""
    rng = random.Random(_SEED)  # noqa: S311 - not used for security
    for index in range(products):
        yield from _deals(rng, index=index)


def _deals(rng: random.Random, *, index: int) -> Iterator[DemoRow]:
    noun, variants, low, high = rng.choice(_ITEMS)
    brand = rng.choice(_BRANDS)
    identifier = weighted(rng, _IDENTIFIER_WEIGHTS)
    asin = random_asin(rng) if identifier == "asin" else None
    upc = _upc(rng, index) if identifier == "upc" or (identifier == "asin" and index % 2) else None
    title = f"{brand} {noun}, {rng.choice(variants)}"
    if asin is None and upc is None:
        title += f", Lot {index:04}"  # such products are identified by their title, so it must be unique
    for supplier in rng.sample(_SUPPLIERS, k=2 if rng.random() < 0.15 else 1):
        cents = rng.randint(low * 100, high * 100)
        yield DemoRow(
            asin=asin,
            upc=upc,
            title=title,
            brand=brand,
            supplier=supplier,
            buy_cost=None if rng.random() < 0.07 else str(Decimal(cents) / 100),
            moq=rng.choice(_MINIMUM_ORDERS),
            stage=weighted(rng, _STAGE_WEIGHTS),
            favorite=rng.random() < 0.08,
            notes=rng.choice(_NOTES) if rng.random() < 0.2 else "",
        )


def random_asin(rng: random.Random) -> str:
    """Return an invented ASIN."""
    return "B0" + "".join(rng.choices(string.ascii_uppercase + string.digits, k=8))


def _upc(rng: random.Random, index: int) -> str:
    """Return a 12-digit UPC-A with a valid check digit; `index` makes it unique."""
    digits = f"{rng.choice('678')}{rng.randrange(10**4):04}{index:06}"
    total = 3 * sum(map(int, digits[0::2])) + sum(map(int, digits[1::2]))
    return f"{digits}{-total % 10}"


def weighted(rng: random.Random, weights: dict[str, int]) -> str:
    """Return one of the names; each is as likely as its weight says."""
    return rng.choices(list(weights), weights=list(weights.values()))[0]
