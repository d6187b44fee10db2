"""Turn the errors of this package into problem documents (RFC 9457). No other module does this."""

from http import HTTPStatus
from typing import Final

from app.problems import FieldError, Problem
from app.products.errors import (
    ConflictError,
    DealsNotFoundError,
    DealsRefusedError,
    DeletedError,
    InvalidCursorError,
    NotFoundError,
    ProductsError,
    TooManyRowsError,
    UnreadableFileError,
)

# The first entry that matches decides, so a subclass comes before its base.
_STATUSES: Final[dict[type[ProductsError], HTTPStatus]] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    DeletedError: HTTPStatus.GONE,
    InvalidCursorError: HTTPStatus.UNPROCESSABLE_ENTITY,
    DealsNotFoundError: HTTPStatus.NOT_FOUND,
    DealsRefusedError: HTTPStatus.GONE,
    TooManyRowsError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnreadableFileError: HTTPStatus.UNPROCESSABLE_ENTITY,
}


def problem_for(error: ProductsError) -> Problem:
    """Return the problem document that describes `error`."""
    status = next(status for kind, status in _STATUSES.items() if isinstance(error, kind))
    if isinstance(error, UnreadableFileError):
        return Problem(status, f"{error} Nothing was changed.")
    return Problem(status, str(error), errors=_field_errors(error))


def _field_errors(error: ProductsError) -> list[FieldError]:
    if isinstance(error, InvalidCursorError):
        return [FieldError("/cursor", str(error))]
    if isinstance(error, DealsRefusedError):
        return [
            FieldError(f"/deal_ids/{position}", error.reason.format(deal_id))
            for position, deal_id in error.deals.items()
        ]
    return []
