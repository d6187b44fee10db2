"""The page of one product: everything that is known about it, its deals, its candidates, and its decisions."""

from http import HTTPStatus
from itertools import islice
from typing import Final
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import current_user
from app.desk import swaps
from app.desk.blueprint import desk
from app.desk.forms import conditional_repository, product_changes, shown_product
from app.desk.notices import Notice, flash
from app.desk.refusals import REFUSED, Refusal, product_or_none, refusal_for
from app.desk.sessions import signed_in
from app.desk.wording import LABELS
from app.limits import WRITES, limited
from app.products.context import caller_repository
from app.products.repository import Document
from app.products.stats import changing_stats

DRAWER: Final = "drawer-body"
"""The id of the element of the list that shows a product without leaving the list."""
_MOST_NAMED: Final = 10
"""Maximum number of other products on the page, because each is one call to the database."""


@desk.get("/desk/products/<uuid:product_id>")
@signed_in
def product(product_id: UUID) -> ResponseReturnValue:
    """Show the product."""
    return product_page(product_id)


@desk.post("/desk/products/<uuid:product_id>")
@signed_in
@limited(WRITES)
def change_product(product_id: UUID) -> ResponseReturnValue:
    """Change fields of the product, or show the page again with each mistake next to its field."""
    found = caller_repository().get_product(product_id)
    try:
        changes = product_changes(found)
        with changing_stats(current_user.user_id):
            found = conditional_repository().update_product(product_id, changes)
    except REFUSED as error:
        return product_page(product_id, refusal_for(error), form="product")
    flash(Notice(_saved(found)))
    return redirect(url_for("desk.product", product_id=product_id), HTTPStatus.SEE_OTHER)


def product_page(product_id: UUID, refusal: Refusal | None = None, *, form: str = "") -> ResponseReturnValue:
    """Render the page. After a refusal, `form` keeps what was typed: "product", "asin", or the id of a deal."""
    repository = caller_repository()
    found = repository.get_product(product_id)
    page = render_template(
        "product.html",
        product=found,
        shown=request.form if form == "product" else shown_product(found),
        given=request.form if form else {},
        form=form,
        refusal=refusal,
        mistakes=refusal.mistakes if refusal else {},
        others=_others(found),
        in_drawer=swaps.target() == DRAWER,
    )
    return swaps.varying((page, refusal.status if refusal else HTTPStatus.OK))


def _others(found: Document) -> dict[str, Document]:
    """Return the products that the page names, by id: the one it was merged into, and the last ones merged into it."""
    named = [found["merged_into"], *(decision["other_product_id"] for decision in found["history"])]
    ids = islice(dict.fromkeys(filter(None, named)), _MOST_NAMED)
    return {product_id: other for product_id in ids if (other := product_or_none(product_id))}


def _saved(found: Document) -> str:
    """Return the message about the change. It names a UPC whose lost zeros were added."""
    typed = request.form.get("upc", "").strip()
    repaired = f" Its UPC was completed to {found['upc']}." if typed and typed != found["upc"] else ""
    return f"“{found['title']}” was saved. Status: {LABELS[found['asin_status']]}.{repaired}"
