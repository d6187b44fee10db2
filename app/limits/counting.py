"""Count requests in the cache's Redis for all workers together, or in this process while Redis is unavailable."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from flask import current_app

from app.audit import pseudonym
from app.caching import CacheUnavailableError
from app.extensions import cache
from app.limits.policies import LimitState, Policy

logger = logging.getLogger(__name__)

_SCRIPT: Final = (Path(__file__).parent / "take.lua").read_bytes()
_MOST_COUNTERS: Final = 10_000
_PREFIX: Final = "asin_limits:"
"""Differs from the prefix of the cache, so that flushing the cache does not reset the limits."""


class Counters:
    """Counters of one process, with the algorithm of take.lua.

    Their number is bounded: the least recently used counter is dropped. Threads may share them.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Create empty counters; `clock` returns monotonic seconds."""
        self._clock, self._lock = clock, threading.Lock()
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def take(self, key: str, policy: Policy, units: int) -> LimitState:
        """Take units of the quota (a negative number returns them) and return the state of the limit."""
        with self._lock:
            now = round(self._clock() * 1000)
            wanted = max(now, max(now, self._full_at.get(key, now)) + policy.interval_ms * units)
            over = wanted - now - policy.window_ms
            if over > 0:
                return LimitState(policy, allowed=False, wait_ms=over)
            self._full_at[key] = wanted
            self._full_at.move_to_end(key)
            if len(self._full_at) > _MOST_COUNTERS:
                self._full_at.popitem(last=False)
            return LimitState(policy, allowed=True, wait_ms=wanted - now)


class Limiter:
    """The limits of one application, stored as `app.extensions["limits"]`."""

    def __init__(self, *, enabled: bool) -> None:
        """Limit requests; `enabled` is False for RATE_LIMITS=off."""
        self.enabled = enabled
        self._local = Counters()
        self._in_redis = True

    def take(self, policy: Policy, who: str, *, units: int = 1) -> LimitState:
        """Count a request of `who` under `policy`. Negative units give back what was counted.

        Takes one round trip to Redis. A failure of Redis is not an error, and a known failure causes no wait.
        """
        if not self.enabled:
            return LimitState(policy, allowed=True, wait_ms=0)
        key = f"{_PREFIX}{policy.name}:{pseudonym(who)}"
        try:
            reply = cache.evaluate(_SCRIPT, key, policy.interval_ms, policy.window_ms, units)
        except CacheUnavailableError as error:
            reply, why = None, str(error)
        else:
            why = "no Redis is configured" if reply is None else "Redis answers"
        self._log_change(shared=reply is not None, why=why)
        if reply is None:
            return self._local.take(key, policy, units)
        return LimitState(policy, allowed=bool(reply[0]), wait_ms=reply[1])

    def _log_change(self, *, shared: bool, why: str) -> None:
        """Log when counting moves between Redis and this process."""
        if shared is not self._in_redis:
            self._in_redis = shared
            where = "in Redis, for all workers together" if shared else "in each worker separately"
            logger.info("rate limits are counted %s: %s", where, why)


def limiter() -> Limiter:
    """Return the limits of the current application."""
    found: Limiter = current_app.extensions["limits"]
    return found


def take_all(wanted: Sequence[tuple[Policy, str]]) -> LimitState:
    """Count a request under several policies, each with its own client: under all of them or under none.

    Returns the state of the policy that refuses the request, or else of the policy with the smallest remaining quota.
    """
    states: list[LimitState] = []
    for policy, who in wanted:
        state = limiter().take(policy, who)
        if not state.allowed:
            refund(wanted[: len(states)])
            return state
        states.append(state)
    return min(states, key=lambda state: state.left)


def refund(counted: Sequence[tuple[Policy, str]]) -> None:
    """Give back the units that `take_all` counted."""
    for policy, who in counted:
        limiter().take(policy, who, units=-1)
