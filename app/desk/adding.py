"""The page that adds a product with its deal."""

from http import HTTPStatus
from typing import Final

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from app.auth import current_user
from app.desk.blueprint import desk
from app.desk.notices import Notice, flash
from app.desk.sessions import signed_in
from app.desk.wording import LABELS
from app.limits import WRITES, limited
from app.products.context import caller_repository
from app.products.errors import ConflictError
from app.products.repository import Created
from app.products.schemas import DealFields, NewProduct
from app.products.stats import changing_stats

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


@desk.get("/desk/products/new")
@signed_in
def new_product() -> ResponseReturnValue:
    """Show the empty form."""
    return _form({})


@desk.post("/desk/products/new")
@signed_in
@limited(WRITES)
def add_product() -> ResponseReturnValue:
    """Create the product and its deal, or show the form again with each mistake next to its field."""
    try:
        new = NewProduct.model_validate_strings(_given())
        with changing_stats(current_user.user_id):
            made = caller_repository().create_product(new)
    except ValidationError as error:
        return _form(_mistakes(error)), HTTPStatus.UNPROCESSABLE_ENTITY
    except ConflictError as error:
        return _form({"form": str(error)}), HTTPStatus.CONFLICT
    flash(_notice(made, new))
    return redirect(url_for("desk.dashboard"), HTTPStatus.SEE_OTHER)


def _mistakes(error: ValidationError) -> dict[str, str]:
    """Return the message for each field. Only the model knows what is wrong with a UPC."""
    found = {
        str(mistake["loc"][0]): mistake["msg"] for mistake in error.errors(include_url=False, include_context=False)
    }
    other = "Choose one of the offered values."
    return {name: f"{reason}." if name == "upc" else _MISTAKES.get(name, other) for name, reason in found.items()}


def _given() -> dict[str, str]:
    """Return the fields that were filled in.

    A stage with the default value is omitted, so that adding an existing deal again does not reset its stage.
    """
    filled = {name: value for name in NewProduct.model_fields if (value := request.form.get(name, "").strip())}
    if filled.get("stage") == DealFields.model_fields["stage"].default:
        del filled["stage"]
    return filled


def _form(mistakes: dict[str, str]) -> str:
    return render_template("new_product.html", given=request.form, mistakes=mistakes)


def _notice(made: Created, new: NewProduct) -> Notice:
    product = made.deal["product"]
    repairs = "".join(f" {repair['reason']}; the UPC is now {repair['stored']}." for repair in new.repaired())
    if not made.created:
        return Notice(f"You already had “{product['title']}” from this supplier; its deal was updated.{repairs}")
    return Notice(f"“{product['title']}” was added. Status: {LABELS[product['asin_status']]}.{repairs}")
