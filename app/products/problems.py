"""Turn the errors of this package into problem documents (RFC 9457). No other module does this."""

from typing import Any, Final

from app.problems import FieldError, Kind, Problem
from app.products.errors import (
    ConflictError,
    DealsNotFoundError,
    DealsRefusedError,
    DeletedError,
    InvalidCursorError,
    KeyReusedError,
    NotFoundError,
    PreconditionFailedError,
    ProductsError,
    RestoreTooLateError,
    TooManyRowsError,
    UndoTooLateError,
    UnreadableFileError,
)

# The first entry that matches decides, so a subclass comes before its base.
_KINDS: Final[dict[type[ProductsError], Kind]] = {
    NotFoundError: Kind.NOT_FOUND,
    ConflictError: Kind.CONFLICT,
    DeletedError: Kind.DELETED,
    UndoTooLateError: Kind.UNDO_TOO_LATE,
    PreconditionFailedError: Kind.PRECONDITION_FAILED,
    KeyReusedError: Kind.IDEMPOTENCY_KEY_REUSED,
    InvalidCursorError: Kind.INVALID_PARAMETERS,
    DealsNotFoundError: Kind.NOT_FOUND,
    RestoreTooLateError: Kind.RESTORE_TOO_LATE,
    DealsRefusedError: Kind.DELETED,
    TooManyRowsError: Kind.TOO_MANY_ROWS,
    UnreadableFileError: Kind.UNREADABLE_FILE,
}


def problem_for(error: ProductsError) -> Problem:
    """Return the problem document that describes `error`."""
    kind = next(kind for base, kind in _KINDS.items() if isinstance(error, base))
    if isinstance(error, UnreadableFileError):
        return Problem(kind, f"{error} Nothing was changed.")
    if isinstance(error, PreconditionFailedError):
        return Problem(kind, str(error), headers={"ETag": f'"{error.etag}"'}, current_etag=error.etag)
    return Problem(kind, str(error), errors=_field_errors(error), **_members(error))


def _members(error: ProductsError) -> dict[str, Any]:
    """Return the further members of the document."""
    if not isinstance(error, ConflictError):
        return {}
    return {"conflict": error.conflict} | ({"product_ids": error.product_ids} if error.product_ids else {})


def _field_errors(error: ProductsError) -> list[FieldError]:
    if isinstance(error, InvalidCursorError):
        return [FieldError(f"/{error.parameter}", str(error))]
    if isinstance(error, DealsRefusedError):
        return [
            FieldError(f"/deal_ids/{position}", error.reason.format(deal_id))
            for position, deal_id in error.deals.items()
        ]
    return []
