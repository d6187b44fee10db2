"""The first page: the numbers, and what there is to do."""

from http import HTTPStatus
from typing import Any, Final

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.auth import current_user
from app.desk import wording
from app.desk.blueprint import desk
from app.desk.deal_list import FILTERS
from app.desk.live import freshness_of
from app.desk.sessions import signed_in
from app.products.stats import asin_status_stats

_FILTERS: Final = frozenset(FILTERS)


@desk.get("/")
@signed_in
def work() -> ResponseReturnValue:
    """Show the page. It reads only the cached numbers. Old links to the list are redirected to it."""
    if not _FILTERS.isdisjoint(request.args):
        asked: dict[str, Any] = {name: value for name, value in request.args.items() if name in _FILTERS}
        return redirect(url_for("desk.deals", **asked), HTTPStatus.MOVED_PERMANENTLY)
    answer = asin_status_stats.lookup(current_user.user_id)
    return render_template(
        "work.html",
        numbers=answer.value.document(),
        freshness=freshness_of(answer),
        statuses=(wording.ALL, *wording.STATUSES),
        queues=wording.QUEUES,
    )
