"""The import of CSV files: the lists of sellers, and the results of look-ups.

`encoding` decodes the bytes, `columns` interprets the header, `reading` splits the text into rows, and `cells` and
`checking` parse and validate each row. `sheet` stores the checked rows on disk in the order in which they are written,
and `running` writes them. `pacing` makes the CPU-bound work yield to other requests. Nothing here knows HTTP.

`kinds` defines the description of one kind of file. `deals` has the description of the lists of sellers, and
`candidates` that of the results of look-ups. Only these two use the database.
"""

from app.products.errors import TooManyRowsError, UnreadableFileError
from app.products.importing.candidates import CANDIDATES, CandidateImport, CandidateTotals
from app.products.importing.checking import MAX_ROWS, open_sheet, sheet_of
from app.products.importing.deals import DEALS, Import, Totals
from app.products.importing.kinds import SheetKind
from app.products.importing.running import Checked, RowTotals, Run
from app.products.importing.sheet import MAX_MISTAKES, Mistake, Note, Sheet

__all__ = [
    "CANDIDATES",
    "DEALS",
    "MAX_MISTAKES",
    "MAX_ROWS",
    "CandidateImport",
    "CandidateTotals",
    "Checked",
    "Import",
    "Mistake",
    "Note",
    "RowTotals",
    "Run",
    "Sheet",
    "SheetKind",
    "TooManyRowsError",
    "Totals",
    "UnreadableFileError",
    "open_sheet",
    "sheet_of",
]
