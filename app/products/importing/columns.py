"""Recognize the columns of a seller's file by their names."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.products.errors import UnreadableFileError

# The first name of each field is ours; the export uses it. Case, spaces and punctuation are ignored.
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
_MAX_COLUMNS: Final = 1000
_MAX_NAME_LENGTH: Final = 100  # characters; longer names are cut, because every response contains the names


def _normalized(name: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name).casefold())


_FIELDS: Final = {_normalized(name): field for field, names in NAMES.items() for name in names}


@dataclass(frozen=True, slots=True)
class Columns:
    """The header of a file.

    Attributes:
        names: the names in the file.
        indexes: the index of the column of each field. Fields without a column are missing.

    """

    names: tuple[str, ...]
    indexes: dict[str, int]

    @property
    def recognized(self) -> dict[str, str]:
        """The column name in the file of each field that has a column."""
        return {field: self.names[index] for field, index in self.indexes.items()}

    @property
    def ignored(self) -> list[str]:
        """The names of the columns that are not imported."""
        used = set(self.indexes.values())
        return [name for index, name in enumerate(self.names) if index not in used and name]

    def name(self, field: str) -> str:
        """Return the column name of a field in the file, or our own name if the file has no such column."""
        return self.names[self.indexes[field]] if field in self.indexes else NAMES[field][0]


def count_recognized(header: Sequence[str]) -> int:
    """Return how many of these columns would be imported."""
    return sum(_normalized(name.strip()[:_MAX_NAME_LENGTH]) in _FIELDS for name in header[:_MAX_COLUMNS])


def parse_header(header: Sequence[str]) -> Columns:
    """Assign a field to each column.

    Raises:
        UnreadableFileError: no column identifies a product, two columns have the same field, or there are too many.

    """
    if len(header) > _MAX_COLUMNS:
        raise UnreadableFileError(f"The first row has {len(header):,} columns; at most {_MAX_COLUMNS:,} can be read.")
    # The names go into UTF-8 responses, so characters that cannot be encoded become question marks.
    names = tuple(name.strip()[:_MAX_NAME_LENGTH].encode("utf-8", "replace").decode() for name in header)
    indexes: dict[str, int] = {}
    for index, name in enumerate(names):
        field = _FIELDS.get(_normalized(name))
        if field in indexes:
            raise UnreadableFileError(
                f"The columns {_quoted(names[indexes[field]])} and {_quoted(name)} mean the same; rename or remove one."
            )
        if field:
            indexes[field] = index
    if not indexes.keys() & set(_IDENTIFYING):
        found = ", ".join(_quoted(name) for name in names[:20] if name)
        wanted = "The first row must contain the column names, and one of them must be Title, ASIN or UPC"
        raise UnreadableFileError(f"{wanted}. It contains {found}.")
    return Columns(names, indexes)


def _quoted(name: str) -> str:
    return f"“{name[:60]}”"
