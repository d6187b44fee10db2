"""The numbers for the tiles of an open page, which its script requests again every few seconds."""

from flask import Response

from app.auth import current_user
from app.desk.blueprint import desk
from app.desk.sessions import signed_in
from app.desk.wording import freshness
from app.extensions import cache
from app.products.representation import stats_response
from app.products.stats import asin_status_stats


@desk.get("/desk/numbers")
@signed_in
def numbers() -> Response:
    """Return the five numbers, or 304 if the page shows them already. The headers say how fresh they are."""
    answer = asin_status_stats.lookup(current_user.user_id)
    fresh = freshness(answer, lifetime=cache.cache.default_timeout)
    response = stats_response(answer)
    response.headers["X-Freshness"] = fresh.line
    response.headers["X-Source"] = fresh.source
    return response
