"""Parse single cells. Each parser takes a text that is not empty; its ValueError says what is wrong with it."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final
from uuid import UUID

from app.products.formulas import unescape_formula

_CODES: Final = "USD|EUR|GBP|CAD|AUD|NZD|JPY|CNY|INR|MXN|CHF|SEK|NOK|DKK|PLN|BRL"
_CURRENCY: Final = re.compile(rf"(?:{_CODES}|[A-Z]{{0,3}}\$|[€£¥₹]|kr\.?|zł)", re.IGNORECASE)
_GROUPED: Final = re.compile(
    r"(?P<whole>[1-9][0-9]{0,2}(?P<mark>[ ',.])[0-9]{3}(?:(?P=mark)[0-9]{3})*)(?:(?!(?P=mark))[.,](?P<cents>[0-9]*))?"
)
_PLAIN: Final = re.compile(r"(?P<whole>[0-9]*)(?:[.,](?P<cents>[0-9]*))?")
_AMBIGUOUS: Final = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
_SCIENTIFIC: Final = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+?[0-9]+")
_MAX_NUMBER_LENGTH: Final = 100  # characters, including currency and spaces
NO_ASIN_YET: Final = "Read as: no ASIN yet"
"""The note on a placeholder in the column of the ASINs."""

SHEET_ERROR: Final = "Read as empty: the spreadsheet has an error here"
"""The note on a cell whose formula has failed."""

_ERRORS: Final = frozenset({
    "#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!",
    "#CONNECT!", "#BUSY!", "#UNKNOWN!", "#GETTING_DATA",
})  # fmt: skip
_PLACEHOLDER: Final = re.compile(r"(PENDING_|Unknown).*")
_YES: Final = frozenset({"yes", "y", "true", "t", "1", "x", "on", "✓", "✔", "★"})
_NO: Final = frozenset({"no", "n", "false", "f", "0", "off", "-", "☆"})


def plain(cell: str) -> str:
    """Return a cell without what spreadsheets add: a leading apostrophe, `="…"`, and surrounding white space."""
    if cell.startswith('="') and cell.endswith('"') and len(cell) > 2:
        return cell[2:-1].strip()
    return unescape_formula(cell).strip()


def unless_error(parser: Callable[[str], object]) -> Callable[[str], object]:
    """Return a parser that returns None for the error of a formula."""

    def parse(cell: str) -> object:
        return None if cell in _ERRORS else parser(cell)

    return parse


def text(cell: str) -> str:
    """Return the text unchanged."""
    return cell


def asin(cell: str) -> str | None:
    """Return the ASIN as written, or None for a placeholder, which is not an ASIN."""
    return None if _PLACEHOLDER.fullmatch(cell) else cell.removeprefix("'")


def upc(cell: str) -> str:
    """Return the digits of a UPC or EAN. They may be grouped by spaces or dashes, or be a number with `.0`.

    A text that is far too long is returned unchanged; the rules of the API refuse it later.
    """
    if len(cell) > _MAX_NUMBER_LENGTH:
        return cell
    digits = unshortened(re.sub(r"[\s\u2010-\u2015-]", "", cell.removeprefix("'")))
    return re.sub(r"(?<=[0-9]{8})\.0+$", "", digits)


def unshortened(number: str) -> str:
    """Return the text of a number unchanged. Raises ValueError if it is in scientific notation: digits are lost."""
    if _SCIENTIFIC.fullmatch(number):
        raise ValueError("A spreadsheet has shortened this number; format the column as text and enter it again")
    return number


def amount(cell: str) -> Decimal:
    """Return an amount of money, written in the format of any country.

    When both `.` and `,` occur, the last one is the decimal mark and the other one groups thousands. Spaces and
    apostrophes also group thousands. A single comma before exactly three digits groups thousands: `1,234` is 1234. A
    single point before exactly three digits is ambiguous and is refused.
    """
    if len(cell) > _MAX_NUMBER_LENGTH:
        raise ValueError("This is not an amount such as 12.50")
    number = re.sub(r"\s", " ", cell.removeprefix("'")).replace("’", "'").strip()  # noqa: RUF001 - Swiss thousands
    sign = "-" if number.startswith("-") else ""
    number = _CURRENCY.sub("", number.removeprefix("-"), count=1).strip()
    if _AMBIGUOUS.fullmatch(number):
        raise ValueError(f"{number} could be {number.replace('.', '')} or a fraction; leave thousands ungrouped")
    found = _GROUPED.fullmatch(number) or _PLAIN.fullmatch(number)
    if found is None or not (found["whole"] or found["cents"]) or len(number) > 40:
        raise ValueError("This is not an amount such as 12.50")
    whole = re.sub(r"[^0-9]", "", found["whole"])
    cents = (found["cents"] or "").rstrip("0")
    return Decimal(f"{sign}{whole or 0}.{cents or 0}")


def quantity(cell: str) -> int:
    """Return a whole number. Thousands may be grouped, and decimals may be zeros."""
    try:
        number = amount(cell)
    except ValueError as error:
        raise ValueError(str(error).replace("an amount such as 12.50", "a whole number")) from None
    if number != number.to_integral_value() or number > 10**9:
        raise ValueError("This is not a whole number from 1 to 1,000,000")
    return int(number)


def flag(cell: str) -> bool:
    """Return True for a yes, False for a no."""
    if cell.casefold() in _YES:
        return True
    if cell.casefold() in _NO:
        return False
    raise ValueError("Write yes or no")


def identifier(cell: str) -> UUID:
    """Return the id of a product, as an export writes it."""
    try:
        return UUID(cell)
    except ValueError:
        raise ValueError("This is not an ID from an export; leave it empty") from None
