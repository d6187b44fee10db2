"""The list of deals, with its filters and its order."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from app.auth import current_user
from app.desk import wording
from app.desk.blueprint import desk
from app.desk.notices import MOST_UNDONE
from app.desk.sessions import signed_in
from app.products.context import caller_repository
from app.products.schemas import ListQuery
from app.products.stats import asin_status_stats

_PAGE_SIZE: Final = MOST_UNDONE  # so that all deals deleted on one page can be restored with one click
FILTERS: Final = ("asin_status", "stage", "favorite", "search", "sort", "cursor")
"""The parameters of the list's address."""
_SORTS: Final = {
    "-created_at": "Newest first",
    "created_at": "Oldest first",
    "title": "Title A to Z",
    "-title": "Title Z to A",
    "supplier": "Supplier A to Z",
    "-supplier": "Supplier Z to A",
    "buy_cost": "Lowest cost first",
    "-buy_cost": "Highest cost first",
}


_MISTAKES: Final = {
    "string_too_short": "Type at least two characters to search. This is the list without your search.",
    "string_too_long": "A search has at most 200 characters. This is the list without your search.",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """The filters and order of the list; `mistake` tells the user which input was ignored."""

    query: ListQuery
    mistake: str = ""

    def url(self, *, endpoint: str = "desk.deals", **changes: str | None) -> str:
        """Return the URL of the list with some values changed, on the first page unless a cursor is given.

        `endpoint` is another page with the same parameters.
        """
        kept = self.query.model_dump(mode="json", include=set(FILTERS) - {"cursor"}, exclude_defaults=True)
        if kept.get("favorite"):
            kept["favorite"] = "true"
        asked = kept | changes
        given: dict[str, Any] = {name: asked[name] for name in FILTERS if asked.get(name)}
        return url_for(endpoint, **given)

    @property
    def is_filtered(self) -> bool:
        """Whether a filter or a search is active."""
        query = self.query
        return any((query.asin_status, query.stage, query.favorite is not None, query.search))


@desk.get("/deals")
@signed_in
def deals() -> ResponseReturnValue:
    """Show the list. Invalid parameters are ignored and reported on the page (422)."""
    choice = _choice()
    page = caller_repository().list_deals(choice.query)
    shown = render_template(
        "deals.html",
        numbers=asin_status_stats.lookup(current_user.user_id).value.document(),
        statuses=(wording.ALL, *wording.STATUSES),
        choice=choice,
        page=page,
        sorts=_SORTS,
    )
    return shown, HTTPStatus.UNPROCESSABLE_ENTITY if choice.mistake else HTTPStatus.OK


def _choice() -> Choice:
    asked = {name: value for name in FILTERS if (value := request.args.get(name, "").strip())}
    size = {"limit": _PAGE_SIZE}
    try:
        return Choice(ListQuery.model_validate(asked | size))
    except ValidationError as error:
        wrong = {mistake["loc"][0]: mistake["type"] for mistake in error.errors(include_url=False)}
    understood = {name: value for name, value in asked.items() if name not in wrong}
    mistake = _MISTAKES.get(wrong.get("search", ""), "One filter is invalid and was ignored.")
    return Choice(ListQuery.model_validate(understood | size), mistake)
