"""The rows of a look-up result: which product each one is about, and the ASIN that it has found."""

import re
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field, RootModel, StringConstraints

from app.products.matching.schemas import MAX_ROWS, ListingFields
from app.products.schemas import Asin, NoNul, Storable

_BETWEEN_CODES: Final = re.compile(r"[,;|/\n\r]")
_GROUPING: Final = re.compile(r"[\s\u2010-\u2015'-]")
_DECIMALS: Final = re.compile(r"(?<=[0-9]{8})\.0+$")
_GTIN: Final = re.compile(r"[0-9]{14}")

Code = Annotated[str, StringConstraints(max_length=500), Storable, NoNul]


def gtin_of(text: str) -> str:
    """Return the UPC, EAN or GTIN in a text as a GTIN-14. Return nothing if it is no such code, or several.

    Spaces and dashes may group the digits, and leading zeros do not matter. The check digit is not verified: a code
    that no product has is found by none.
    """
    codes = {_DECIMALS.sub("", _GROUPING.sub("", part)) for part in _BETWEEN_CODES.split(text)} - {""}
    gtins = {code.lstrip("0").zfill(14) for code in codes}
    (gtin,) = gtins if len(gtins) == 1 else ("",)
    return gtin if _GTIN.fullmatch(gtin) else ""


class CandidateRow(ListingFields):
    """One row of a look-up result: the product, by its id or its UPC, and an ASIN that may be its listing.

    A row without an ASIN says that the look-up has found none. A UPC that is no code, or several, is of no product.
    """

    product_id: UUID | None = None
    upc: Code | None = None
    asin: Asin | None = None

    def fields(self) -> dict[str, Any]:
        """Return the members that are not null, as JSON values. The product is either `product_id` or `upc`, a GTIN-14.

        Both are missing if the row is of no product.
        """
        given = {name: value for name, value in self.given().items() if value is not None}
        code = given.pop("upc", "")
        if "product_id" not in given and (gtin := gtin_of(code)):
            given["upc"] = gtin
        return given


class CandidateRows(RootModel[Annotated[list[CandidateRow], Field(max_length=MAX_ROWS)]]):
    """A look-up result."""
