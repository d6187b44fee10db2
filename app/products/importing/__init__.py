"""Files of sellers on their way into the tables.

`encoding` finds the text in the bytes, `columns` the meaning of the header, `reading` the rows, `cells` and `checking`
what each row says and what is wrong with it; `sheet` keeps what was checked on disk, in the order it is to be written;
`running` writes it. `pacing` keeps all this from holding other requests up. Only `running` knows the database, and
nothing here knows HTTP.
"""

from app.products.errors import TooManyRowsError, UnreadableFileError
from app.products.importing.checking import MAX_ROWS, open_sheet
from app.products.importing.running import Checked, Import, Totals
from app.products.importing.sheet import MOST_MISTAKES, Mistake, Sheet

__all__ = [
    "MAX_ROWS",
    "MOST_MISTAKES",
    "Checked",
    "Import",
    "Mistake",
    "Sheet",
    "TooManyRowsError",
    "Totals",
    "UnreadableFileError",
    "open_sheet",
]
