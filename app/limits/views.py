"""The decorator for limited views, the RateLimit headers and the 429 problem."""

import functools
import threading
import time
from collections.abc import Callable
from typing import Any, Final, ParamSpec

from flask import Flask, Response, after_this_request, make_response
from flask.typing import ResponseReturnValue

from app import audit
from app.auth import current_user
from app.declarations import declare
from app.limits.counting import Limiter, limiter
from app.limits.policies import LimitState, Policy
from app.problems import Kind, Problem

P = ParamSpec("P")
View = Callable[P, ResponseReturnValue]

_AGAIN_SECONDS: Final = 5  # Retry-After while the maximum number of requests is running
_LONGEST_SECONDS: Final = 3600.0


def init_app(app: Flask, *, enabled: bool) -> None:
    """Set up the limits of `app`."""
    app.extensions["limits"] = Limiter(enabled=enabled)


def limited(policy: Policy, *, at_once: int = 0) -> Callable[[View[P]], View[P]]:
    """Limit a user's requests to `policy` and, unless it is 0, to `at_once` simultaneous requests per worker.

    Place it below `login_required`, which identifies the user. The response carries the RateLimit headers. A request
    beyond the limit is answered with a 429 problem and Retry-After, and nothing is read or changed.
    """
    slots = _Slots(at_once)

    def decorate(view: View[P]) -> View[P]:
        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            if not limiter().enabled:
                return view(*args, **kwargs)
            user = current_user.user_id
            enforce(limiter().take(policy, f"user:{user}"), "limit", user=user)
            return slots.hold(user, lambda: view(*args, **kwargs)) if at_once else view(*args, **kwargs)

        return declare(guarded, limited=True)

    return decorate


def enforce(state: LimitState, event: str, **who: str) -> None:
    """Add the RateLimit headers to the response. Raises Problem (429) when the request was beyond the limit.

    `event` is the name of the refusal in the audit log, and `who` its further members.
    """
    if not limiter().enabled:
        return

    @after_this_request
    def mark(response: Response) -> Response:
        response.headers["RateLimit-Policy"], response.headers["RateLimit"] = str(state.policy), str(state)
        return response

    if not state.allowed:
        audit.record(event, "limited", policy=state.policy.name, **who)
        raise _too_many(state.policy.name, state.seconds)


def _too_many(policy: str, seconds: int) -> Problem:
    violated: dict[str, Any] = {"violated-policies": [policy]}
    detail, headers = f"Too many requests. Please try again in {seconds} s.", {"Retry-After": str(seconds)}
    return Problem(Kind.QUOTA_EXCEEDED, detail, headers=headers, **violated)


class _Slots:
    """Limits the simultaneous requests of each user in this process (bulkhead)."""

    def __init__(self, at_most: int) -> None:
        self._at_most, self._lock = at_most, threading.Lock()
        self._taken: dict[str, list[float]] = {}

    def hold(self, user: str, view: Callable[[], ResponseReturnValue]) -> Response:
        """Call `view` and hold a slot until the response is sent or lost. Raises Problem (429)."""
        slot = time.monotonic()
        with self._lock:
            # A slot can leak if the request fails before its response starts; such a slot expires.
            taken = [since for since in self._taken.get(user, ()) if since > slot - _LONGEST_SECONDS]
            if len(taken) >= self._at_most:
                raise _too_many("imports-at-once", _AGAIN_SECONDS)
            self._taken[user] = [*taken, slot]
        try:
            response = make_response(view())
        except BaseException:
            self._leave(user, slot)
            raise
        response.call_on_close(lambda: self._leave(user, slot))
        return response

    def _leave(self, user: str, slot: float) -> None:
        with self._lock:
            left = list(self._taken.get(user, ()))
            if slot in left:
                left.remove(slot)
            self._taken[user] = left
            if not left:
                del self._taken[user]
