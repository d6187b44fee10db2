"""Cells that a spreadsheet would run as a formula: disarmed on the way out, restored on the way in."""

from typing import Final

# What OWASP's page on CSV injection lists, with the wide forms that spreadsheets take for the same, and the
# apostrophe itself, so that taking one off again is always right.
_ARMED: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")  # noqa: RUF001 - meant


def disarm(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would not take for text."""
    return f"'{text}" if text.startswith(_ARMED) else text


def restore(cell: str) -> str:
    """Undo `disarm`; any other text is returned as it is."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_ARMED) else cell
