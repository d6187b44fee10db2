"""Read a file as the application does before it writes anything."""

import io
from contextlib import closing
from typing import Any

from app.products.importing import DEALS, Sheet, SheetKind, open_sheet

__all__ = ["accepted_rows", "checked", "valid_rows"]


def checked(content: str | bytes, kind: SheetKind = DEALS) -> Sheet:
    """Return the sheet of a file, with all rows checked. The caller closes it."""
    sheet = open_sheet(io.BytesIO(content.encode() if isinstance(content, str) else content), kind)
    for _ in sheet.check():
        pass
    return sheet


def accepted_rows(sheet: Sheet) -> list[dict[str, Any]]:
    """Return the rows that can be imported, in the order of the batches."""
    return [row for batch in sheet.batches() for row in batch]


def valid_rows(content: str | bytes, kind: SheetKind = DEALS) -> list[dict[str, Any]]:
    """Return the rows of a file without mistakes, in the order of the file."""
    with closing(checked(content, kind)) as sheet:
        assert list(sheet.mistakes()) == []
        return sorted(accepted_rows(sheet), key=lambda row: int(row["line"]))
