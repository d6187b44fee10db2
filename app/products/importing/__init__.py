"""The import of CSV files and workbooks: the lists of sellers, and the results of look-ups.

`encoding` decodes the bytes of a text file, and `reading` splits the text into rows. `workbooks` lets a process of its
own, `extraction`, write the rows of a workbook. `tables` finds the header, `columns` interprets it, and `cells` and
`checking` parse and validate each row. `sheet` stores the checked rows on disk in the order in which they are written,
and `running` writes them. `pacing` makes the CPU-bound work yield to other requests. Nothing here knows HTTP.

`kinds` defines the description of one kind of file. `deals` has the description of the lists of sellers, and
`candidates` that of the results of look-ups. Only these two use the database.
"""

from app.products.errors import TooManyRowsError, UnreadableFileError
from app.products.importing.candidates import CANDIDATES, CandidateImport, CandidateTotals
from app.products.importing.checking import MAX_ROWS, RECOGNIZED, open_sheet, sheet_of
from app.products.importing.deals import DEALS, Import, Totals
from app.products.importing.kept import KeptFile, KeptFiles
from app.products.importing.kinds import SheetKind
from app.products.importing.previews import Preview, preview_of, rejected_rows
from app.products.importing.running import Checked, RowTotals, Run
from app.products.importing.sheet import MAX_MISTAKES, Mistake, Note, Sheet
from app.products.importing.tables import Choices

__all__ = [
    "CANDIDATES",
    "DEALS",
    "MAX_MISTAKES",
    "MAX_ROWS",
    "RECOGNIZED",
    "CandidateImport",
    "CandidateTotals",
    "Checked",
    "Choices",
    "Import",
    "KeptFile",
    "KeptFiles",
    "Mistake",
    "Note",
    "Preview",
    "RowTotals",
    "Run",
    "Sheet",
    "SheetKind",
    "TooManyRowsError",
    "Totals",
    "UnreadableFileError",
    "open_sheet",
    "preview_of",
    "rejected_rows",
    "sheet_of",
]
