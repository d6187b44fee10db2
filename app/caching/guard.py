"""The only place that catches Redis errors. It classifies, counts and logs them without the server's own message."""

import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from app.caching.breaker import CircuitBreaker
from app.caching.errors import REDIS_ERRORS, CacheUnavailableError, ErrorKind, classify
from app.caching.events import BreakerState, Event
from app.caching.shared import SharedRegion

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_REPEAT_AFTER_SECONDS = 60.0


class Guard:
    """Runs the engine's Redis calls through the circuit breaker. Every failure is classified and counted."""

    def __init__(
        self, breaker: CircuitBreaker, region: SharedRegion, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Guard calls with `breaker` and count in `region`. `clock` returns monotonic seconds."""
        self.breaker, self._region, self._clock = breaker, region, clock
        self._logged: dict[str, float] = {}

    def call(self, command: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `command` with these arguments and return its reply.

        Raises:
            CacheUnavailableError: the breaker is open, or the command failed.

        """
        # Read the attribute first; this saves one call per hit.
        if self.breaker.state is not BreakerState.CLOSED and not self.breaker.admits():
            self._region.count(Event.SKIPPED)
            raise CacheUnavailableError(ErrorKind.OPEN)
        try:
            return command(*args, **kwargs)
        except REDIS_ERRORS as error:
            raise CacheUnavailableError(self.record(error)) from None

    def record(self, error: BaseException) -> ErrorKind:
        """Classify and count an error, then open the breaker or write a log line. Return the kind of the error."""
        kind = classify(error)
        self._region.count(kind.counter)
        if kind.opens_breaker:
            self.breaker.record_failure(kind.description)  # the breaker logs its transition
        else:
            self.warn(f"Redis error, answering without the cache: {kind.description}")
        return kind

    def warn(self, line: str) -> None:
        """Log a warning, but the same line at most once a minute."""
        now = self._clock()
        if now - self._logged.get(line, -_REPEAT_AFTER_SECONDS) >= _REPEAT_AFTER_SECONDS:
            self._logged[line] = now
            logger.warning(line)
