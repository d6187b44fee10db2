"""The one place where Redis trouble is caught: classified, counted, logged in our own words, never passed on raw."""

import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from app.caching.breaker import CircuitBreaker
from app.caching.events import BreakerState, Event
from app.caching.shared import SharedRegion
from app.caching.trouble import REDIS_ERRORS, CacheUnavailableError, Trouble, classify

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_REPEAT_AFTER_SECONDS = 60.0


class Guard:
    """Runs Redis calls for the engine: through the breaker, with every failure classified and counted."""

    def __init__(
        self, breaker: CircuitBreaker, region: SharedRegion, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Guard calls with `breaker`, count in `region`; `clock` (monotonic seconds) spaces repeated log lines."""
        self.breaker, self._region, self._clock = breaker, region, clock
        self._logged: dict[str, float] = {}

    def call(self, command: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `command` with these arguments and return its reply.

        Raises:
            CacheUnavailableError: the breaker is open, or Redis could not do it.

        """
        # Read the attribute first; this saves one call per hit.
        if self.breaker.state is not BreakerState.CLOSED and not self.breaker.admits():
            self._region.count(Event.SKIPPED)
            raise CacheUnavailableError(Trouble.OPEN)
        try:
            return command(*args, **kwargs)
        except REDIS_ERRORS as error:
            raise CacheUnavailableError(self.note(error)) from None

    def note(self, error: BaseException) -> Trouble:
        """Classify and count a failure, tell the breaker or the log, and return its kind."""
        trouble = classify(error)
        self._region.count(trouble.counter)
        if trouble.trips:
            self.breaker.failure(trouble.words)  # its transition is the log line
        else:
            self.warn(f"Redis trouble, answering without the cache: {trouble.words}")
        return trouble

    def warn(self, line: str) -> None:
        """Log a line, each at most once a minute."""
        now = self._clock()
        if now - self._logged.get(line, -_REPEAT_AFTER_SECONDS) >= _REPEAT_AFTER_SECONDS:
            self._logged[line] = now
            logger.warning(line)
