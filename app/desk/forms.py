"""Read the forms for products and deals, and explain their mistakes in the words of the form."""

from dataclasses import replace
from typing import Any, Final, TypeVar
from uuid import UUID

from flask import request
from pydantic import BaseModel, ValidationError

from app.products.conditions import Conditions
from app.products.context import caller_repository
from app.products.errors import NotFoundError
from app.products.repository import Document, Repository
from app.products.schemas import DealFields, ProductFields

# The rules are those of the API, in the words of the form.
_MISTAKES: Final = {
    "title": "Give the product a title of 1 to 500 characters.",
    "brand": "A brand has at most 200 characters.",
    "asin": "An ASIN is exactly 10 letters A to Z or digits, such as B08N5WRWNW.",
    "supplier": "A supplier's name has at most 200 characters.",
    "buy_cost": "Write an amount from 0 to 1,000,000 with at most two decimals, such as 12.50.",
    "moq": "Write a whole number from 1 to 1,000,000.",
    "notes": "Notes have at most 5,000 characters.",
}
_OPTIONAL: Final = frozenset({"asin", "upc", "buy_cost", "moq"})
"""Fields that an empty input clears."""
_FLAGS: Final = frozenset({"multiple_asins", "favorite"})
"""Fields with a checkbox. A browser sends nothing for a checkbox that is not ticked."""

M = TypeVar("M", bound=BaseModel)


def mistakes_in(error: ValidationError) -> dict[str, str]:
    """Return a sentence for each field that is wrong. The reason for a UPC is that of the rule it violates."""
    found = {str((*wrong["loc"], "form")[0]): wrong for wrong in error.errors(include_url=False, include_context=False)}
    return {name: _mistake(name, wrong["msg"]) for name, wrong in found.items()}


def _mistake(name: str, reason: str) -> str:
    if name == "upc":
        return reason if reason.endswith(".") else f"{reason}."
    return _MISTAKES.get(name, "Choose a value from the list.")


def product_changes(product: Document) -> ProductFields:
    """Return the fields of `product` that the form changes.

    Unchanged fields are omitted, so that a UPC that was stored with a wrong check digit does not prevent other changes.

    Raises:
        ValidationError: a changed field is invalid.

    """
    return _changes(ProductFields, shown_product(product))


def deal_changes(deal: Document) -> DealFields:
    """Return the fields of `deal` that the form changes. Raises ValidationError."""
    return _changes(DealFields, shown_deal(deal))


def one_change(model: type[M], name: str, text: str) -> M:
    """Return the change of one field to the text that was typed. Raises ValidationError."""
    typed = _typed(text)
    if not typed and name in _OPTIONAL:
        return model().model_copy(update={name: None})
    return model.model_validate_strings({name: typed})


def shown_product(product: Document) -> dict[str, str]:
    """Return the fields of a product as its form shows them. A placeholder in place of an ASIN is not shown."""
    asin = product["asin"] if product["asin_status"] == "asin_found" else ""
    return _shown(ProductFields, {**product, "asin": asin})


def shown_deal(deal: Document) -> dict[str, str]:
    """Return the fields of a deal as its form shows them."""
    return _shown(DealFields, deal)


def id_in(text: str) -> UUID:
    """Return the id of a product in the form. Raises NotFoundError for a text that is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError("There is no such product.") from None


def conditional_repository() -> Repository:
    """Return the caller's repository. Its changes require the entity tag that the form was rendered with."""
    return replace(caller_repository(), conditions=Conditions(if_match=(request.form.get("etag", ""),)))


def _shown(model: type[BaseModel], document: Document) -> dict[str, str]:
    return {name: _as_text(document[name]) for name in model.model_fields}


def _as_text(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return the value of an input. A checkbox has the value `true`, or none at all."""
    return "" if value is None or value is False else "true" if value is True else str(value)


def _changes(model: type[M], shown: dict[str, str]) -> M:
    given = {name: _typed(request.form.get(name, "")) for name in model.model_fields}
    changed = {name: text for name, text in given.items() if text != _typed(shown[name])}
    cleared = {name: None for name, text in changed.items() if not text and name in _OPTIONAL}
    texts = {name: "false" if name in _FLAGS and not text else text for name, text in changed.items()}
    kept = {name: text for name, text in texts.items() if name not in cleared}
    return model.model_validate_strings(kept).model_copy(update=cleared)


def _typed(text: str) -> str:
    """Return the text without surrounding space. A browser sends each line end of a text area as CR LF."""
    return text.strip().replace("\r\n", "\n")
