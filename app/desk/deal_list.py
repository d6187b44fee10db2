"""The list of deals, with its filters and its order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from app.auth import current_user
from app.desk import swaps, wording
from app.desk.blueprint import desk
from app.desk.notices import MOST_UNDONE, Notice, flash
from app.desk.sessions import signed_in
from app.products.context import caller_repository
from app.products.repository import Page
from app.products.results import Total
from app.products.schemas import ListQuery
from app.products.stats import asin_status_stats

RESULTS: Final = "results"
"""The id of the element that an answer to htmx replaces: everything of the list but its filters."""
_PAGE_SIZE: Final = MOST_UNDONE  # so that all deals deleted on one page can be restored with one click
FILTERS: Final = ("asin_status", "stage", "favorite", "search", "sort", "cursor")
"""The parameters of the list's address."""
_START: Final = "start"
"""The parameter with the number of the first deal of the page. A cursor does not tell it."""
_MAX_START: Final = 10_000_000
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
    """The filters and order of the list.

    Attributes:
        query: what the list is asked for.
        mistake: tells the user which input was ignored; empty if none was.
        typed: the search as the user typed it, also an ignored one.
        start: the number of the first deal of the page in the whole list.

    """

    query: ListQuery
    mistake: str = ""
    typed: str = ""
    start: int = 1

    def url(self, *, endpoint: str = "desk.deals", **changes: str | int | None) -> str:
        """Return the URL of the list with some values changed, on the first page unless a cursor is given.

        `endpoint` is another page with the same parameters.
        """
        kept = self.query.model_dump(mode="json", include=set(FILTERS) - {"cursor"}, exclude_defaults=True)
        if "favorite" in kept:
            kept["favorite"] = str(kept["favorite"]).lower()
        asked = kept | changes
        given: dict[str, Any] = {name: asked[name] for name in (*FILTERS, _START) if asked.get(name)}
        return url_for(endpoint, **given)

    @property
    def here(self) -> str:
        """The URL of this page of the list."""
        return self.url(cursor=self.query.cursor, start=self.start if self.query.cursor else None)

    @property
    def is_filtered(self) -> bool:
        """Whether a filter or a search is active."""
        query = self.query
        return any((query.asin_status, query.stage, query.favorite is not None, query.search))


@desk.get("/deals")
@signed_in
def deals() -> ResponseReturnValue:
    """Show the list. Invalid parameters are ignored and reported on the page (422)."""
    choice = _choice(request.args.to_dict())
    page = caller_repository().list_deals(choice.query)
    if swaps.is_wanted():
        return swaps.varying(_rendered("deal_results.html", choice, page))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if choice.mistake else HTTPStatus.OK
    return swaps.varying((_rendered("deals.html", choice, page), status))


def finished(notice: Notice, back: str, *, gone: Sequence[str] = ()) -> ResponseReturnValue:
    """Return the answer to an action: a redirect to the page `back`, which shows the notice.

    htmx gets the notice and the list at once. `gone` are the ids of deals that can no longer be selected.
    """
    if swaps.target() == RESULTS:
        return changed_list(notice, back, gone=gone)
    flash(notice)
    return redirect(back, HTTPStatus.SEE_OTHER)


def changed_list(notice: Notice, address: str, *, gone: Sequence[str] = ()) -> Response:
    """Return the notice and the page of the list at `address`, for htmx."""
    choice = chosen_at(address)
    page = caller_repository().list_deals(choice.query)
    shown = _rendered("deal_results.html", choice, page, notice=notice, gone=gone)
    return swaps.varying(shown, swaps.STATS_CHANGED)


def chosen_at(address: str) -> Choice:
    """Return the filters and order of the list at `address`."""
    return _choice({name: values[0] for name, values in parse_qs(urlsplit(address).query).items()})


def _rendered(template: str, choice: Choice, page: Page, **more: object) -> str:
    count, total = _counts(choice, page)
    return render_template(
        template,
        numbers=asin_status_stats.lookup(current_user.user_id).value.document(),
        statuses=(wording.ALL, *wording.STATUSES),
        queues=[queue.status for queue in wording.QUEUES],
        choice=choice,
        page=page,
        count=count,
        total=total,
        sorts=_SORTS,
        **more,
    )


def _counts(choice: Choice, page: Page) -> tuple[str, Total | None]:
    """Return which deals the page shows and of how many, and the total if other pages have more of them."""
    last = choice.start + len(page.items) - 1
    if not page.items:
        return "No deals", None
    if choice.start == 1 and not page.next_cursor:
        return wording.counted(last, "deal"), None
    total = _total(choice, page, last)
    return f"{choice.start:,}\N{EN DASH}{last:,} of {'' if total.is_exact else 'more than '}{total.deals:,}", total


def _total(choice: Choice, page: Page, last: int) -> Total:
    """Return the total of the list, which has at least the deals up to `last`. The last page needs no count."""
    if not page.next_cursor:
        return Total(last, is_exact=True)
    total = caller_repository().count_deals(choice.query)
    return replace(total, deals=max(total.deals, last))


def _choice(given: dict[str, str]) -> Choice:
    asked = {name: value for name in FILTERS if (value := given.get(name, "").strip())}
    size, start = {"limit": _PAGE_SIZE}, _start(given) if "cursor" in asked else 1
    typed = given.get("search", "")
    try:
        return Choice(ListQuery.model_validate(asked | size), typed=typed, start=start)
    except ValidationError as error:
        wrong = {mistake["loc"][0]: mistake["type"] for mistake in error.errors(include_url=False)}
    understood = {name: value for name, value in asked.items() if name not in wrong}
    mistake = _MISTAKES.get(wrong.get("search", ""), "One filter is invalid and was ignored.")
    return Choice(ListQuery.model_validate(understood | size), mistake, typed, start)


def _start(given: dict[str, str]) -> int:
    """Return the number of the first deal, which only the text of the page uses."""
    digits = given.get(_START, "")
    return min(int(digits), _MAX_START) if digits.isascii() and digits.isdecimal() and len(digits) < 9 else 1
