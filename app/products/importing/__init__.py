"""The import of sellers' CSV files.

`encoding` decodes the bytes, `columns` interprets the header, `reading` splits the text into rows, and `cells` and
`checking` parse and validate each row. `sheet` stores the checked rows on disk in the order in which they are written,
and `running` writes them. `pacing` makes the CPU-bound work yield to other requests. Only `running` uses the database.
Nothing here knows HTTP.
"""

from app.products.errors import TooManyRowsError, UnreadableFileError
from app.products.importing.checking import MAX_ROWS, open_sheet
from app.products.importing.running import Checked, Import, Totals
from app.products.importing.sheet import MAX_MISTAKES, Mistake, Note, Sheet

__all__ = [
    "MAX_MISTAKES",
    "MAX_ROWS",
    "Checked",
    "Import",
    "Mistake",
    "Note",
    "Sheet",
    "TooManyRowsError",
    "Totals",
    "UnreadableFileError",
    "open_sheet",
]
