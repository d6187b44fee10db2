"""The demo seller's products and deals: invented, plausible, and the same every time."""

import random
import string
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

__all__ = ["PRODUCTS", "DemoDeal", "DemoProduct", "demo_products"]

PRODUCTS: Final = 2400
"""How many there are."""

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
_STATUS_WEIGHTS: Final = {"asin_found": 62, "needs_selection": 11, "needs_asin": 17, "manual_entry": 10}
_STAGE_WEIGHTS: Final = {"new": 34, "researching": 22, "contacted": 16, "ordered": 12, "received": 9, "rejected": 7}
_MINIMUM_ORDERS: Final = (None, 1, 6, 12, 24, 48, 100, 250)
_NOTES: Final = (
    "Ask for a better price above 48 units.",
    "Check the restriction before ordering.",
    "Case pack differs from the listing.",
    "Good margin at the last price check.",
)
_MINUTES_BETWEEN: Final = 110  # so that the whole catalogue spans about half a year


@dataclass(frozen=True)
class DemoDeal:
    """One row of `deals`; `buy_cost` in dollars as text."""

    supplier: str
    buy_cost: str | None
    moq: int | None
    stage: str
    favorite: bool
    notes: str
    active: bool


@dataclass(frozen=True)
class DemoProduct:
    """One row of `products` with its deals; `age` in minutes before now."""

    id: str
    asin: str | None
    upc: str | None
    title: str
    brand: str
    multiple_asins: bool
    age: int
    deals: tuple[DemoDeal, ...]


def demo_products(count: int = PRODUCTS) -> Iterator[DemoProduct]:
    """Yield the first `count` products, oldest first: the same ones in every call."""
    chance = random.Random(_SEED)  # noqa: S311 - a demo catalogue guards nothing
    for index in range(count):
        yield _product(chance, index=index, age=(count - index) * _MINUTES_BETWEEN)


def _product(chance: random.Random, *, index: int, age: int) -> DemoProduct:
    noun, variants, low, high = chance.choice(_ITEMS)
    brand = chance.choice(_BRANDS)
    status = _weighted(chance, _STATUS_WEIGHTS)
    suppliers = chance.sample(_SUPPLIERS, k=2 if chance.random() < 0.15 else 1)
    return DemoProduct(
        id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        asin=_asin(chance, status),
        upc=_upc(chance, index) if status == "needs_asin" or (status != "manual_entry" and index % 2) else None,
        title=f"{brand} {noun}, {chance.choice(variants)}",
        brand=brand,
        multiple_asins=status == "needs_selection",
        age=age,
        deals=tuple(_deal(chance, supplier, low=low, high=high) for supplier in suppliers),
    )


def _asin(chance: random.Random, status: str) -> str | None:
    if status == "asin_found":
        return "B0" + "".join(chance.choices(string.ascii_uppercase + string.digits, k=8))
    # The placeholders that imports leave behind: they are no ASIN.
    return (
        chance.choice((None, None, f"PENDING_{chance.randrange(10**6):06}", "Unknown"))
        if status != "needs_asin"
        else None
    )


def _upc(chance: random.Random, index: int) -> str:
    """Return a 12-digit UPC-A with a right check digit; `index` makes it unique."""
    digits = f"{chance.choice('678')}{chance.randrange(10**4):04}{index:06}"
    total = 3 * sum(map(int, digits[0::2])) + sum(map(int, digits[1::2]))
    return f"{digits}{-total % 10}"


def _deal(chance: random.Random, supplier: str, *, low: int, high: int) -> DemoDeal:
    cents = chance.randint(low * 100, high * 100)
    return DemoDeal(
        supplier=supplier,
        buy_cost=None if chance.random() < 0.07 else str(Decimal(cents) / 100),
        moq=chance.choice(_MINIMUM_ORDERS),
        stage=_weighted(chance, _STAGE_WEIGHTS),
        favorite=chance.random() < 0.08,
        notes=chance.choice(_NOTES) if chance.random() < 0.2 else "",
        active=chance.random() < 0.94,
    )


def _weighted(chance: random.Random, weights: dict[str, int]) -> str:
    return chance.choices(list(weights), weights=list(weights.values()))[0]
