"""Protection against CSV injection: an export escapes cells that are formulas, and an import reverses that."""

from typing import Final

# The characters of OWASP's page on CSV injection, and their full-width forms, which spreadsheets treat alike. The
# apostrophe is included so that an import can always remove one.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")  # noqa: RUF001 - intended


def escape_formula(text: str) -> str:
    """Prepend an apostrophe to a text that a spreadsheet would evaluate as a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def unescape_formula(cell: str) -> str:
    """Remove the apostrophe that `escape_formula` added. Any other text is returned unchanged."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_STARTS) else cell
