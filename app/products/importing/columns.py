"""What the columns of a seller's file mean, told by their names."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.products.errors import UnreadableFileError

# The first name of each is ours, and that of the export. Case, spaces and punctuation do not count.
NAMES: Final[dict[str, tuple[str, ...]]] = {
    "asin": ("ASIN", "Amazon ASIN", "ASIN 1", "Child ASIN"),
    "upc": ("UPC", "EAN", "GTIN", "Barcode", "Bar code", "UPC code", "UPC/EAN", "UPC EAN", "EAN/UPC", "UPC number",
            "EAN code", "EAN13", "GTIN13", "GTIN14", "UPC-A", "Product UPC"),
    "title": ("Title", "Product name", "Product title", "Product", "Name", "Item", "Item name", "Item title",
              "Description", "Product description", "Item description"),
    "brand": ("Brand", "Brand name", "Manufacturer", "Make", "Mfr", "Mfg"),
    "multiple_asins": ("Several ASINs", "Multiple ASINs"),
    "supplier": ("Supplier", "Supplier name", "Vendor", "Vendor name", "Distributor", "Wholesaler", "Source"),
    "buy_cost": ("Buy cost", "Cost", "Price", "Unit cost", "Unit price", "Wholesale price", "Wholesale",
                 "Wholesale cost", "Buy price", "Buying price", "Purchase price", "Cost price", "Cost per unit",
                 "Price per unit", "Your cost", "Your price", "Net price", "Net cost", "COGS"),
    "moq": ("MOQ", "Min qty", "Minimum order", "Minimum order quantity", "Minimum quantity", "Min order",
            "Min order qty", "Minimum order qty", "Minimum qty", "Min. quantity", "Min order quantity"),
    "stage": ("Stage", "Status", "Deal stage", "Deal status"),
    "favorite": ("Favorite", "Favourite", "Favorites", "Favourites", "Starred", "Star"),
    "notes": ("Notes", "Note", "Comment", "Comments", "Remark", "Remarks"),
    "product_id": ("Product ID",),
}  # fmt: skip
_IDENTIFYING: Final = ("title", "asin", "upc")
_MOST: Final = 1000  # columns
_LONGEST: Final = 100  # characters of a name that are looked at and told: names are part of every answer


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name).casefold())


_FIELDS: Final = {_bare(name): field for field, names in NAMES.items() for name in names}


@dataclass(frozen=True, slots=True)
class Columns:
    """The header of a file.

    Attributes:
        names: as the file has them.
        places: where the file has each field that it has.

    """

    names: tuple[str, ...]
    places: dict[str, int]

    @property
    def found(self) -> dict[str, str]:
        """What the file calls each field that it has."""
        return {field: self.names[place] for field, place in self.places.items()}

    @property
    def ignored(self) -> list[str]:
        """The columns that mean nothing to us."""
        used = set(self.places.values())
        return [name for place, name in enumerate(self.names) if place not in used and name]

    def name(self, field: str) -> str:
        """Return what the file calls a field; our own name where it has none."""
        return self.names[self.places[field]] if field in self.places else NAMES[field][0]


def known(header: Sequence[str]) -> int:
    """Return how many of these columns mean something to us."""
    return sum(_bare(name.strip()[:_LONGEST]) in _FIELDS for name in header[:_MOST])


def understand(header: Sequence[str]) -> Columns:
    """Return what the columns mean.

    Raises:
        UnreadableFileError: none identifies a product, two mean the same, or there are too many.

    """
    if len(header) > _MOST:
        raise UnreadableFileError(f"The first row names {len(header):,} columns; at most {_MOST:,} can be read.")
    # What cannot be decoded is shown as a question mark: names go into answers, which are UTF-8.
    names = tuple(name.strip()[:_LONGEST].encode("utf-8", "replace").decode() for name in header)
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        field = _FIELDS.get(_bare(name))
        if field in places:
            raise UnreadableFileError(
                f"The columns {_quoted(names[places[field]])} and {_quoted(name)} mean the same; rename or remove one."
            )
        if field:
            places[field] = place
    if not places.keys() & set(_IDENTIFYING):
        found = ", ".join(_quoted(name) for name in names[:20] if name)
        wanted = "The first row must name the columns, and one of them be Title, ASIN or UPC"
        raise UnreadableFileError(f"{wanted}; it has {found}.")
    return Columns(names, places)


def _quoted(name: str) -> str:
    return f"“{name[:60]}”"
