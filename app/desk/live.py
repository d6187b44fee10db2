"""The numbers for the tiles of an open page, which its script requests again every few seconds."""

from flask import Response, current_app

from app.auth import current_user
from app.caching import Answer
from app.desk import wording
from app.desk.blueprint import desk
from app.desk.sessions import for_watching_users
from app.extensions import cache
from app.products.breakdown import AsinStats
from app.products.representation import stats_response
from app.products.stats import asin_status_stats


def freshness_of(answer: Answer[AsinStats]) -> wording.Freshness:
    """Describe how fresh the numbers are, with the application's cache."""
    in_redis = current_app.config["CACHE_TYPE"] != "SimpleCache"
    return wording.freshness(answer, lifetime=cache.cache.default_timeout, in_redis=in_redis)


@desk.get("/desk/numbers")
@for_watching_users
def numbers() -> Response:
    """Return the five numbers, or 304 if the page shows them already. The headers say how fresh they are."""
    answer = asin_status_stats.lookup(current_user.user_id)
    fresh = freshness_of(answer)
    response = stats_response(answer)
    response.headers["X-Freshness"] = fresh.line
    response.headers["X-Source"] = fresh.source
    return response
