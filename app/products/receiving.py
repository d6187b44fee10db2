"""The file of a request, checked and ready to be written."""

from typing import Final

from app.problems import Problem
from app.products import repository
from app.products.importing import Sheet, TooManyRowsError, UnreadableFileError, check
from app.uploads import uploaded

MAX_FILE_BYTES: Final = 50 << 20

_MEDIA_TYPES: Final = ("text/csv", "application/csv", "text/tab-separated-values")


def received() -> Sheet:
    """Return the checked rows of the file that the request holds. The caller closes the sheet.

    Raises:
        Problem: 413 for too large a file, 415, 400, or 422 for one that cannot be used; nothing was changed.
        DatabaseUnavailableError: nothing could be written now anyway.

    """
    with uploaded(_MEDIA_TYPES, at_most=MAX_FILE_BYTES) as file:
        repository.require_database()
        try:
            return check(file)
        except UnreadableFileError as error:
            status = 413 if isinstance(error, TooManyRowsError) else 422
            raise Problem(status, f"{error} Nothing was changed.") from None
