"""What a limited view wears, and how its limits are told: 429 problem documents and the RateLimit fields."""

import functools
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, ParamSpec

from flask import Flask, Response, after_this_request, make_response
from flask.typing import ResponseReturnValue

from app import audit
from app.auth import current_user
from app.limits.counting import Limiter, limiter
from app.limits.policies import Policy, Standing
from app.problems import Problem

P = ParamSpec("P")
View = Callable[P, ResponseReturnValue]

_QUOTA_EXCEEDED: Final = "https://iana.org/assignments/http-problem-types#quota-exceeded"
"""The problem type that the draft of the RateLimit fields registers."""
_AGAIN_SECONDS: Final = 5  # when to try again while as many as may are under way
_LONGEST_SECONDS: Final = 3600.0


def init_app(app: Flask, *, enabled: bool) -> None:
    """Give `app` its limits."""
    app.extensions["limits"] = Limiter(enabled=enabled)


def limited(policy: Policy, *, at_once: int = 0) -> Callable[[View[P]], View[P]]:
    """Let a user reach the view only within `policy`, and (unless 0) in so many requests of a worker at a time.

    Below `login_required`, which says who the user is. The answer tells where they stand; beyond the limit it is a 429
    problem with Retry-After, and nothing was read or changed.
    """
    places = _Places(at_once)

    def decorate(view: View[P]) -> View[P]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            if not limiter().enabled:
                return view(*args, **kwargs)
            user = current_user.user_id
            tell(limiter().take(policy, f"user:{user}"), "limit", user=user)
            return places.hold(user, lambda: view(*args, **kwargs)) if at_once else view(*args, **kwargs)

        return guarded

    return decorate


def tell(standing: Standing, event: str, **who: str) -> None:
    """Put the RateLimit fields on the answer. Raises Problem (429) when the request was beyond the limit.

    `event` is what the audit log calls that, and `who` what it says of the client.
    """
    if not limiter().enabled:
        return

    @after_this_request
    def mark(response: Response) -> Response:
        response.headers["RateLimit-Policy"], response.headers["RateLimit"] = str(standing.policy), str(standing)
        return response

    if not standing.allowed:
        audit.record(event, "limited", policy=standing.policy.name, **who)
        raise _too_many(standing.policy.name, standing.seconds)


def _too_many(policy: str, seconds: int) -> Problem:
    document: dict[str, Any] = {"type": _QUOTA_EXCEEDED, "violated-policies": [policy]}
    detail, headers = f"Too many requests. Please try again in {seconds} s.", {"Retry-After": str(seconds)}
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers=headers, **document)


class _Places:
    """At most so many requests of each user at the same time, in this process."""

    def __init__(self, at_most: int) -> None:
        self._at_most, self._lock = at_most, threading.Lock()
        self._taken: dict[str, list[float]] = {}

    def hold(self, user: str, view: Callable[[], ResponseReturnValue]) -> Response:
        """Answer with `view`, holding a place until the answer is sent or lost. Raises Problem (429)."""
        place = time.monotonic()
        with self._lock:
            # A place that nobody gave back, because something broke before the answer began, does not count for ever.
            taken = [since for since in self._taken.get(user, ()) if since > place - _LONGEST_SECONDS]
            if len(taken) >= self._at_most:
                raise _too_many("imports-at-once", _AGAIN_SECONDS)
            self._taken[user] = [*taken, place]
        try:
            response = make_response(view())
        except BaseException:
            self._leave(user, place)
            raise
        response.call_on_close(lambda: self._leave(user, place))
        return response

    def _leave(self, user: str, place: float) -> None:
        with self._lock:
            left = list(self._taken.get(user, ()))
            if place in left:
                left.remove(place)
            self._taken[user] = left
            if not left:
                del self._taken[user]
