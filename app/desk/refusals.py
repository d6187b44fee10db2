"""A form that was refused: what its page says about it, next to the input, which is kept."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from uuid import UUID

from flask import request
from pydantic import ValidationError

from app.desk.forms import mistakes_in
from app.products.context import caller_repository
from app.products.errors import Conflict, ConflictError, DeletedError, NotFoundError, PreconditionFailedError
from app.products.repository import Document

REFUSED: Final = (ValidationError, ConflictError, DeletedError, PreconditionFailedError)
"""The errors that the page of the form explains."""

_CHANGED: Final = "This was changed in the meantime, perhaps in another tab. Nothing was saved. Please check it first."
_DELETED: Final = "This deal has been deleted, perhaps in another tab. Restore it first."
_DECIDED: Final = "This product got an ASIN in the meantime, perhaps in another tab. Nothing was saved."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a form was refused.

    Attributes:
        text: the message for the top of the page.
        status: the status code of the page.
        mistakes: a sentence for each input that is wrong.
        merge_with: ASIN, UPC or id of another product that may be the same one; empty if there is none.

    """

    text: str
    status: HTTPStatus
    mistakes: dict[str, str] = field(default_factory=dict)
    merge_with: str = ""


def refusal_for(error: Exception) -> Refusal:
    """Return the refusal that `error`, one of `REFUSED`, means for the current form."""
    if isinstance(error, ValidationError):
        return of_mistakes(mistakes_in(error))
    if not isinstance(error, ConflictError):
        return Refusal(_DELETED if isinstance(error, DeletedError) else _CHANGED, HTTPStatus.CONFLICT)
    return Refusal(_conflict_text(error), HTTPStatus.CONFLICT, merge_with=_other_product(error))


def of_mistakes(mistakes: dict[str, str]) -> Refusal:
    """Return the refusal of a form with these mistakes."""
    number = "1 field needs" if len(mistakes) == 1 else f"{len(mistakes)} fields need"
    return Refusal(f"Nothing was saved: {number} fixing.", HTTPStatus.UNPROCESSABLE_ENTITY, mistakes)


def _conflict_text(error: ConflictError) -> str:
    if error.conflict is Conflict.ASIN and error.product_ids:
        other = product_or_none(error.product_ids[0])
        name = f"Your product “{other['title']}”" if other else "Another product"
        return f"{name} already has this ASIN. Nothing was saved."
    if error.conflict is Conflict.DECIDED:
        return _DECIDED
    return f"{str(error).rstrip('.')}. Nothing was saved."


def product_or_none(product_id: str) -> Document | None:
    """Return a product that another one names, or None if it no longer exists."""
    try:
        return caller_repository().get_product(UUID(product_id))
    except NotFoundError:
        return None


def _other_product(error: ConflictError) -> str:
    """Return what finds the product that already has the ASIN or UPC."""
    if error.conflict is Conflict.ASIN:
        return next(iter(error.product_ids), request.form.get("asin", ""))
    return request.form.get("upc", "") if error.conflict is Conflict.UPC else ""
