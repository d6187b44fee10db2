"""The import of deals: the columns of a supplier's or a seller's list, its rows, and how they are written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final, get_args
from uuid import UUID

from app.metrics.catalogue import IMPORTED_ROWS, IMPORTS
from app.products.importing import cells
from app.products.importing.columns import Layout
from app.products.importing.kinds import Fields, Remark, SheetKind
from app.products.importing.running import Records, Refused, Run
from app.products.repository import Repository
from app.products.schemas import DealFields, ProductFields, Stage
from app.products.stats import changing_stats

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


def _stage(cell: str) -> str:
    """Return the stage. Raises ValueError."""
    stage = cell.lower()
    if stage not in _STAGES:
        *first, last = (name.capitalize() for name in _STAGES)
        raise ValueError(f"Unknown stage. Use {', '.join(first)} or {last}")
    return stage


_STAGES: Final = get_args(Stage)
_CELLS: Final[dict[str, Callable[[str], object]]] = {
    "asin": cells.asin,
    "upc": cells.upc,
    "title": cells.text,
    "brand": cells.text,
    "multiple_asins": cells.flag,
    "supplier": cells.text,
    "buy_cost": cells.amount,
    "moq": cells.quantity,
    "stage": _stage,
    "favorite": cells.flag,
    "notes": cells.text,
    "product_id": cells.identifier,
}
_PARSERS: Final = {field: cells.unless_error(parser) for field, parser in _CELLS.items()}
_IDENTIFYING: Final = ("asin", "upc", "title", "product_id")


class ImportedRow(ProductFields, DealFields):
    """The fields of a row, validated by the rules of the API. An empty cell sets no field."""

    product_id: UUID | None = None


def _validated(given: Fields) -> tuple[Fields, list[Remark]]:
    row = ImportedRow.model_validate(given)
    notes = [(repair["field"], f"{repair['reason']}. Stored as {repair['stored']}") for repair in row.repaired()]
    return row.given(), notes


def _fault(given: Fields) -> str:
    return "No title, ASIN or UPC" if given.keys().isdisjoint(_IDENTIFYING) else ""


def _keys(fields: Fields) -> tuple[str, str, str]:
    """Return what may identify the product of a row: its ASIN, its UPC, and otherwise its id or its title and brand."""
    fallback = fields.get("product_id") or f"{fields.get('title', '')}\n{fields.get('brand', '')}".casefold()
    return fields.get("asin", ""), fields.get("upc", ""), fallback


DEALS: Final = SheetKind(
    layout=Layout(NAMES, needs=[("title", "asin", "upc")], wanted="one of them must be Title, ASIN or UPC"),
    parsers=_PARSERS,
    left_out={**dict.fromkeys(_PARSERS, cells.SHEET_ERROR), "asin": cells.NO_ASIN_YET},
    validated=_validated,
    fault=_fault,
    keys=_keys,
)
"""A list of products with their offers."""


@dataclass(slots=True)
class Totals:
    """The numbers of rows so far, by result.

    Attributes:
        rows: all rows that were processed; the sum of the other numbers.
        created: rows that created a deal.
        updated: rows that changed a deal, restored a deleted one, or filled empty fields of its product.
        unchanged: rows that contained nothing new.
        repeated: rows that were ignored because a later row of the file is for the same deal.
        rejected: rows that could not be imported. Each has at least one `Mistake`.

    """

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    repeated: int = 0
    rejected: int = 0


@dataclass(slots=True)
class Import(Run[Totals]):
    """The import of one sheet of deals for one user.

    Attributes:
        repository: the products and deals of the user for whom the rows are imported.
        dry_run: report what would happen, and change nothing.
        batch_id: the batch that undoes the import; None if no deal was changed yet.

    """

    records: ClassVar[Records] = Records("import", IMPORTS, IMPORTED_ROWS)

    repository: Repository
    dry_run: bool
    batch_id: UUID | None = field(default=None, init=False)
    totals: Totals = field(default_factory=Totals, init=False)

    @property
    def user_id(self) -> str:
        """The user for whom the rows are imported."""
        return self.repository.user_id

    @property
    def options(self) -> dict[str, bool]:
        """The options of the import."""
        return {"dry_run": self.dry_run}

    @property
    def outcome(self) -> dict[str, str | None]:
        """The batch that undoes the import."""
        return {"batch_id": str(self.batch_id) if self.batch_id else None}

    def write(self, batch: list[Fields]) -> list[Refused]:
        """Write one batch."""
        if self.dry_run:
            imported = self.repository.import_deals(batch, dry_run=True)
        else:
            with changing_stats(self.user_id):
                imported = self.repository.import_deals(batch, dry_run=False, batch_id=self.batch_id)
            self.batch_id = imported.batch_id
        self.totals.created += imported.created
        self.totals.updated += imported.updated
        self.totals.unchanged += imported.unchanged
        self.totals.repeated += imported.repeated
        return imported.refused
