"""The file of a request, whole and ready to be checked."""

from typing import Final

from app.problems import Problem
from app.products import repository
from app.products.importing import Sheet, TooManyRowsError, UnreadableFileError, open_sheet
from app.uploads import uploaded

MAX_FILE_BYTES: Final = 50 << 20

_MEDIA_TYPES: Final = ("text/csv", "application/csv", "text/tab-separated-values")


def received() -> Sheet:
    """Return the file that the request holds as a sheet, its rows counted and not yet checked. The caller closes it.

    Raises:
        Problem: 413 for too large a file, 415, 400, or 422 for one that cannot be used; nothing was changed.
        DatabaseUnavailableError: nothing could be written now anyway.

    """
    file = uploaded(_MEDIA_TYPES, at_most=MAX_FILE_BYTES)
    try:
        repository.require_database()
        return open_sheet(file)
    except BaseException as error:
        file.close()
        if isinstance(error, UnreadableFileError):
            status = 413 if isinstance(error, TooManyRowsError) else 422
            raise Problem(status, f"{error} Nothing was changed.") from None
        raise
