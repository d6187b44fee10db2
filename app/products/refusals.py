"""The errors of this package for refusals of the database."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from app.database import DatabaseRefusalError
from app.products.bulk import BulkAction
from app.products.errors import (
    Conflict,
    ConflictError,
    DealsDeletedError,
    DealsNotFoundError,
    DealsRefusedError,
    DeletedError,
    InvalidCursorError,
    KeyReusedError,
    NotFoundError,
    PreconditionFailedError,
    RestoreTooLateError,
    UndoTooLateError,
)

_CONFLICTS: Final = {
    "products_user_asin_key": Conflict.ASIN,
    "products_user_upc_key": Conflict.UPC,
    "deals_product_supplier_key": Conflict.SUPPLIER,
}
"""The meaning of the constraints that a change can violate."""


def conflict(error: DatabaseRefusalError) -> ConflictError:
    """Return the conflict.

    The detail is the name of the violated constraint, a JSON array of product ids, or a JSON object with the members
    `conflict` and `product_ids`.
    """
    detail = error.detail or ""
    if detail.startswith("{"):
        named = json.loads(detail)
        return ConflictError(error.message, Conflict(named["conflict"]), named["product_ids"])
    if not detail.startswith("["):
        return ConflictError(error.message, _CONFLICTS.get(detail, Conflict.OTHER))
    ids = json.loads(detail)
    return ConflictError(error.message, Conflict.TWO_PRODUCTS if len(ids) > 1 else Conflict.OTHER_ASIN, ids)


@contextmanager
def condition_errors() -> Iterator[None]:
    """Raise PreconditionFailedError or KeyReusedError if a condition of the change is not met."""
    try:
        yield
    except DatabaseRefusalError as error:
        if error.code == "PT412":
            raise PreconditionFailedError(error.message, error.detail or "") from None
        if error.code == "PT422" and error.detail == "idempotency_key_reused":
            raise KeyReusedError(error.message) from None
        raise


@contextmanager
def cursor_errors(cursor: str | None, *, parameter: str = "cursor") -> Iterator[None]:
    """Raise InvalidCursorError for a cursor whose value the database cannot convert. All other arguments are valid.

    The InvalidCursorError of a cursor that cannot be decoded gets the name of the query parameter.
    """
    try:
        yield
    except InvalidCursorError:
        raise InvalidCursorError(parameter) from None
    except DatabaseRefusalError as error:
        if cursor and error.code == "PT400":
            raise InvalidCursorError(parameter) from None
        raise


@contextmanager
def domain_errors() -> Iterator[None]:
    """Raise ConflictError or DeletedError for a refusal of the database that means it. Other refusals pass through."""
    try:
        yield
    except DatabaseRefusalError as error:
        if error.status == 409:
            raise conflict(error) from None
        if error.status == 410:
            raise DeletedError(error.message) from None
        raise


@contextmanager
def batch_errors() -> Iterator[None]:
    """Raise NotFoundError if the database finds no batch to continue. Other refusals pass through."""
    try:
        yield
    except DatabaseRefusalError as error:
        if error.status == 404:
            raise NotFoundError(error.message) from None
        raise


@contextmanager
def undo_errors() -> Iterator[None]:
    """Raise UndoTooLateError if the database refuses an undo because of its age. Other refusals pass through."""
    try:
        yield
    except DatabaseRefusalError as error:
        if error.status == 410:
            raise UndoTooLateError(error.message) from None
        raise


def deals_refused(error: DatabaseRefusalError, bulk: BulkAction) -> Exception:
    """Return the DealsRefusedError for a refusal that names deals in its detail. Return any other refusal unchanged."""
    kind: type[DealsRefusedError]
    if error.status == 404:
        kind = DealsNotFoundError
    elif error.status == 410:
        kind = RestoreTooLateError if bulk.action == "restore" else DealsDeletedError
    else:
        return error
    refused = set(map(UUID, json.loads(error.detail or "[]")))
    return kind(error.message, {place: deal_id for place, deal_id in enumerate(bulk.deal_ids) if deal_id in refused})
