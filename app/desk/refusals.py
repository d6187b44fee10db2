"""A form that was refused: what its page says about it, next to the input, which is kept."""

from dataclasses import dataclass, field
from http import HTTPStatus
from uuid import UUID

from flask import request
from pydantic import ValidationError

from app.desk.forms import mistakes_in
from app.products.context import caller_repository
from app.products.errors import Conflict, ConflictError, NotFoundError, PreconditionFailedError

Refused = ValidationError | ConflictError | PreconditionFailedError

CHANGED = "It was changed in the meantime, perhaps in another tab. Nothing was saved; this is how it is now."


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


def refusal_for(error: Refused) -> Refusal:
    """Return the refusal that `error` means for the current form."""
    if isinstance(error, ValidationError):
        return of_mistakes(mistakes_in(error))
    if isinstance(error, PreconditionFailedError):
        return Refusal(CHANGED, HTTPStatus.CONFLICT)
    return Refusal(_conflict_text(error), HTTPStatus.CONFLICT, merge_with=_other_product(error))


def of_mistakes(mistakes: dict[str, str]) -> Refusal:
    """Return the refusal of a form with these mistakes."""
    number = "1 field needs" if len(mistakes) == 1 else f"{len(mistakes)} fields need"
    return Refusal(f"Nothing was saved: {number} correction.", HTTPStatus.UNPROCESSABLE_ENTITY, mistakes)


def _conflict_text(error: ConflictError) -> str:
    if error.conflict is Conflict.ASIN and error.product_ids:
        return f"Your product “{_title(error.product_ids[0])}” already has this ASIN. Nothing was saved."
    if error.conflict is Conflict.DECIDED:
        return "It has got an ASIN in the meantime, perhaps in another tab. Nothing was saved; this is how it is now."
    return f"{str(error).rstrip('.')}. Nothing was saved."


def _title(product_id: str) -> str:
    try:
        return str(caller_repository().get_product(UUID(product_id))["title"])
    except NotFoundError:
        return "another product"


def _other_product(error: ConflictError) -> str:
    """Return what finds the product that already has the ASIN or UPC."""
    if error.conflict is Conflict.ASIN:
        return next(iter(error.product_ids), request.form.get("asin", ""))
    return request.form.get("upc", "") if error.conflict is Conflict.UPC else ""
