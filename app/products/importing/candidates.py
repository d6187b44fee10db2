"""The import of a look-up result: the columns of look-up services and tools, its rows, and how they are written."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Final
from uuid import UUID

from app.metrics.catalogue import CANDIDATE_FILES, CANDIDATE_ROWS
from app.products.importing import cells
from app.products.importing.columns import Layout
from app.products.importing.kinds import Fields, Remark, SheetKind
from app.products.importing.running import Records, Refused, Run
from app.products.matching.feed import CandidateRow, gtin_of
from app.products.matching.repository import Added, Matching
from app.products.matching.schemas import PRODUCT_ID
from app.products.stats import changing_stats

# As seller's tools, Keepa and the files of Amazon's SP-API name them. A tool writes many columns, so a file may have
# several columns for one field: the one whose name is first counts.
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "asin": ("ASIN", "Amazon ASIN", "ASIN 1", "Child ASIN", "Matched ASIN", "ASIN found", "Product ASIN", "Item ASIN"),
    "upc": ("UPC", "Imported by Code", "Searched UPC", "Input UPC", "Search term", "Input", "UPC/EAN", "EAN/UPC",
            "UPC code", "UPC number", "UPC-A", "Product UPC", "Product Codes: UPC", "UPC list", "UPCs", "Product Codes",
            "Barcode", "Bar code", "Barcodes", "Identifier", "Code"),
    "ean": ("EAN", "GTIN", "EAN code", "EAN13", "EAN 13", "GTIN13", "GTIN14", "Product Codes: EAN",
            "Product Codes: GTIN", "EAN list", "EANs", "GTINs"),
    "product_id": ("Product ID", "External product ID", "Standard product ID"),
    "title": ("Title", "Product title", "Amazon title", "Listing title", "Product name", "Item name", "Item title",
              "Listing name", "Name"),
    "brand": ("Brand", "Brand name", "Amazon brand", "Manufacturer"),
    "image_url": ("Image URL", "Image", "Images", "Image URLs", "Main image", "Main image URL", "Image link",
                  "Main image link", "Large image", "Medium image", "Small image", "Thumbnail", "Picture",
                  "Picture URL", "Photo"),
    "category": ("Category", "Root category", "Categories: Root", "Main category", "Category name", "Amazon category",
                 "Sales rank category", "BSR category", "Product category", "Product group", "Website display group",
                 "Browse classification", "Category tree", "Categories: Tree", "Categories: Sub", "Categories"),
    "package_quantity": ("Package quantity", "Item package quantity", "Pack quantity", "Number of items",
                         "Package size", "Pack size", "Units per pack", "Pack"),
    "sales_rank": ("Sales rank", "Sales Rank: Current", "Current sales rank", "BSR", "Current BSR",
                   "Best sellers rank", "Bestsellers rank", "Best seller rank", "Bestseller rank",
                   "Amazon sales rank", "Sales ranking", "Rank"),
    "source": ("Source", "Look-up", "Look-up source", "Data source", "Service", "Tool"),
}  # fmt: skip
_NOTHING: Final = frozenset({
    "-", "\u2013", "\u2014", "?", "0", "n/a", "#n/a", "na", "nan", "none", "null", "not found", "no match", "no result",
    "no results", "no asin", "no data", "missing", "unavailable",
})  # fmt: skip
_BETWEEN_ADDRESSES: Final = re.compile(r"[\s;|]+|,(?=\s*https?:)")
_ADDRESS: Final = re.compile(r"https://[!-~]{1,1990}")
_NUMBER: Final = re.compile(r"#?\s*([0-9]{1,3}(?:[,.' \xa0][0-9]{3})+|[0-9]+)(?:[.,]0*)?(?:\s.*)?", re.DOTALL)


def _asin(cell: str) -> str | None:
    """Return the ASIN as written, or None if the cell says that there is none."""
    return None if cell.casefold() in _NOTHING else cells.asin(cell)


def _code(cell: str) -> str:
    """Return the only code in a cell as a GTIN-14, or nothing. Raises ValueError for a number that was shortened."""
    return gtin_of(cells.unshortened(cell))


def _product(cell: str) -> UUID | str:
    """Return the id of a product as an export writes it. Files of Amazon have codes in a column of this name."""
    return UUID(cell) if PRODUCT_ID.fullmatch(cell) else _code(cell)


def _words(at_most: int, cell: str) -> str:
    """Return the first `at_most` characters of a text."""
    return cell[:at_most].strip()


def _address(cell: str) -> str | None:
    """Return the first HTTPS address in a cell."""
    return next(filter(_ADDRESS.fullmatch, _BETWEEN_ADDRESSES.split(cell)), None)


def _number(at_most: int, cell: str) -> int | None:
    """Return the number at the start of a cell such as `#1,204 in Kitchen`, or None if there is none in the range."""
    found = _NUMBER.fullmatch(cell)
    digits = re.sub(r"[^0-9]", "", found[1]) if found else ""
    return int(digits) if 0 < len(digits) < 12 and 1 <= int(digits) <= at_most else None


_PARSERS: Final[dict[str, Callable[[str], object]]] = {
    "asin": _asin,
    "upc": _code,
    "ean": _code,
    "product_id": _product,
    "title": partial(_words, 500),
    "brand": partial(_words, 200),
    "image_url": _address,
    "category": partial(_words, 200),
    "package_quantity": partial(_number, 1_000_000),
    "sales_rank": partial(_number, 1_000_000_000),
    "source": partial(_words, 100),
}


def _validated(given: Fields) -> tuple[Fields, list[Remark]]:
    """Return the fields of a row. Its product is the id, or else the first cell with exactly one code."""
    product = given.pop("product_id", "")
    codes = given.pop("upc", ""), given.pop("ean", ""), product
    if isinstance(product, UUID):
        given["product_id"] = product
    elif code := next(filter(None, codes), ""):
        given["upc"] = code
    return CandidateRow.model_validate(given).fields(), []


def _keys(fields: Fields) -> tuple[str, str, str]:
    """Return what may identify the product of a row. Rows of no product need not stay together."""
    return fields.get("product_id", ""), fields.get("upc", ""), ""


CANDIDATES: Final = SheetKind(
    layout=Layout(
        _NAMES,
        needs=[("asin",), ("upc", "ean", "product_id")],
        wanted="among them must be ASIN and one of UPC, EAN and Product ID",
        ranked=True,
    ),
    parsers=_PARSERS,
    left_out={},
    validated=_validated,
    fault=lambda _: "",
    keys=_keys,
)
"""A look-up result: the ASINs that may be the listings of products."""


@dataclass(slots=True)
class CandidateTotals:
    """The numbers of rows so far, by result.

    Attributes:
        rows: all rows that were processed; the sum of the following numbers except for `decided`.
        stored: rows whose candidate was added or changed.
        unchanged: rows that contained nothing new.
        never: rows with an ASIN that never belongs to the identifier of the product.
        empty: rows without an ASIN.
        unknown: rows of which the user has no product, and rows without exactly one code.
        rejected: rows that could not be used. Each has at least one `Mistake`.
        decided: the number of products that got their ASIN.

    """

    rows: int = 0
    stored: int = 0
    unchanged: int = 0
    never: int = 0
    empty: int = 0
    unknown: int = 0
    rejected: int = 0
    decided: int = 0


@dataclass(slots=True)
class CandidateImport(Run[CandidateTotals]):
    """The import of one sheet of candidates for one user.

    Attributes:
        matching: the decisions of the user for whom the rows are imported.
        accept_single: give a product its only candidate as its ASIN.

    """

    records: ClassVar[Records] = Records("candidates", CANDIDATE_FILES, CANDIDATE_ROWS, besides=frozenset({"decided"}))

    matching: Matching
    accept_single: bool
    totals: CandidateTotals = field(default_factory=CandidateTotals, init=False)

    @property
    def user_id(self) -> str:
        """The user for whom the rows are imported."""
        return self.matching.repository.user_id

    @property
    def options(self) -> dict[str, bool]:
        """The options of the import."""
        return {"accept_single": self.accept_single}

    def write(self, batch: list[Fields]) -> list[Refused]:
        """Write the rows of a batch that name a product."""
        rows = [row for row in batch if "product_id" in row or "upc" in row]
        added = self._add(rows) if rows else Added()
        self.totals.stored += added.stored
        self.totals.unchanged += added.unchanged
        self.totals.never += added.never
        self.totals.empty += added.empty
        self.totals.unknown += added.unknown + len(batch) - len(rows)
        self.totals.decided += added.decided
        return added.refused

    def _add(self, rows: list[Fields]) -> Added:
        with changing_stats(self.user_id):
            return self.matching.add_candidates(rows, accept_single=self.accept_single)
