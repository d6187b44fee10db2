"""The page that adds a product with its deal."""

from http import HTTPStatus

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import current_user
from app.desk.blueprint import desk
from app.desk.notices import Notice, flash
from app.desk.refusals import REFUSED, Refusal, refusal_for
from app.desk.sessions import signed_in
from app.desk.wording import LABELS
from app.limits import WRITES, limited
from app.products.context import caller_repository
from app.products.repository import Created
from app.products.schemas import DealFields, NewProduct
from app.products.stats import changing_stats


@desk.get("/desk/products/new")
@signed_in
def new_product() -> ResponseReturnValue:
    """Show the empty form."""
    return _form()


@desk.post("/desk/products/new")
@signed_in
@limited(WRITES)
def add_product() -> ResponseReturnValue:
    """Create the product and its deal, or show the form again with each mistake next to its field."""
    try:
        new = NewProduct.model_validate_strings(_given())
        with changing_stats(current_user.user_id):
            made = caller_repository().create_product(new)
    except REFUSED as error:
        return _form(refusal_for(error))
    flash(_notice(made, new))
    return redirect(url_for("desk.deals"), HTTPStatus.SEE_OTHER)


def _given() -> dict[str, str]:
    """Return the fields that were filled in.

    A stage with the default value is omitted, so that adding an existing deal again does not reset its stage.
    """
    filled = {name: value for name in NewProduct.model_fields if (value := request.form.get(name, "").strip())}
    if filled.get("stage") == DealFields.model_fields["stage"].default:
        del filled["stage"]
    return filled


def _form(refusal: Refusal | None = None) -> ResponseReturnValue:
    mistakes = refusal.mistakes if refusal else {}
    page = render_template("new_product.html", given=request.form, refusal=refusal, mistakes=mistakes)
    return page, refusal.status if refusal else HTTPStatus.OK


def _notice(made: Created, new: NewProduct) -> Notice:
    product = made.deal["product"]
    repairs = "".join(f" {repair['reason']}; the UPC is now {repair['stored']}." for repair in new.repaired())
    if not made.created:
        return Notice(f"You already had “{product['title']}” from this supplier; its deal was updated.{repairs}")
    return Notice(f"“{product['title']}” was added. Status: {LABELS[product['asin_status']]}.{repairs}")
