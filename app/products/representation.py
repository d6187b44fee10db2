"""How the breakdown looks in HTTP: where it came from (RFC 9211), validators, and how long it took."""

import math

from flask import Response, jsonify, request

from app.caching import Answer, Outcome
from app.products.stats import AsinStats

_FORMS = {
    Outcome.HIT: "hit",
    Outcome.COLLAPSED: "hit; collapsed",
    Outcome.STORED: "fwd=miss; stored",
    Outcome.REJECTED: "fwd=miss; detail=writer-in-flight",
    Outcome.BYPASS: "fwd=bypass",
}


def cache_status(answer: Answer[AsinStats]) -> str:
    """Return the Cache-Status header (RFC 9211) that tells what the cache did for `answer`."""
    parts = ["asin-stats", _FORMS[answer.outcome]]
    if answer.ttl is not None:
        parts.append(f"ttl={math.floor(answer.ttl)}")
    if answer.detail:
        parts.append(f"detail={answer.detail}")
    return "; ".join(parts)


def stats_response(answer: Answer[AsinStats]) -> Response:
    """Return the breakdown as JSON, or 304 to a client that has it already."""
    response = jsonify(answer.value.document())
    response.headers["Cache-Status"] = cache_status(answer)
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary.update(("Authorization", "Cookie"))
    response.add_etag()
    response.make_conditional(request)
    return response
