"""A circuit breaker for the database. It stops calls while the database is down, and probes until it answers again.

Pattern: M. Nygard, *Release It!*, 2nd ed., ch. 5. Each process has its own state.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from app.database.errors import DatabaseUnavailableError

logger = logging.getLogger(__name__)

_PAUSE_SECONDS: Final = 0.25
_FRESH_SECONDS: Final = 1.0


class Breaker:
    """Admits calls while the database answers, and refuses them immediately while it is down. Thread-safe.

    A refused connection opens the breaker. A slow call does not, because one statement may take long. When calls have
    waited for a quarter of `max_silence` and none returned, or when one timed out, the breaker sends a probe: a cheap
    call. New calls wait for its result. The breaker opens when neither the probe nor any call was answered for the rest
    of `max_silence`. While it is open it sends one probe after the other. The first one that is answered closes it.

    The lock protects the state only; it is never held during a network call. No thread is started before the first
    suspicion, so a process that has not made a call yet can be forked.
    """

    def __init__(
        self,
        probe: Callable[[float], float | None],
        *,
        max_silence: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start closed.

        Args:
            probe: makes a cheap call with the given timeout in seconds. Returns how many seconds it took, or None when
                the database did not answer. Never raises.
            max_silence: seconds without any answer, while calls wait, after which the database counts as down.
            clock: returns monotonic seconds.

        """
        self._probe, self._max_silence, self._clock = probe, max_silence, clock
        self._changed = threading.Condition()
        self._open = self._suspected = False
        self._calls = 0
        self._silent_since = self._answered_at = self._probed_at = self._measured_at = -math.inf
        self._latency: float | None = None
        self._measuring = False
        self._prober: threading.Thread | None = None
        self._stopped = threading.Event()

    def admits(self) -> bool:
        """Return False while the database is known to be down. Makes no call, but checks how long calls have waited."""
        with self._changed:
            self._notice_silence()
            return not self._open

    @contextmanager
    def call(self) -> Iterator[None]:
        """Admit a call, and update the state from its result.

        Raises:
            DatabaseUnavailableError: the database is down. The block was not entered.

        """
        with self._changed:
            self._notice_silence()
            self._await_probe()
            if self._calls == 0:
                self._silent_since = self._clock()
            self._calls += 1
        try:
            yield
        except BaseException as error:
            self._ended(error)
            raise
        else:
            self._ended()

    def latency(self) -> float:
        """Return how many seconds the last probe took.

        Sends a probe if there was none in the last second. One caller waits for it, for at most half of `max_silence`.
        Meanwhile other callers get the result of the previous probe.

        Raises:
            DatabaseUnavailableError: the database is down, or it did not answer the probe in time.

        """
        with self._changed:
            age = self._clock() - max(self._measured_at, self._probed_at)
            if age > _FRESH_SECONDS and not self._open and (not self._measuring or math.isinf(self._measured_at)):
                self._measure()
            if self._open:
                self._start_probing()
            if self._open or self._latency is None:
                raise DatabaseUnavailableError
            return self._latency

    def close(self) -> None:
        """Stop probing. Waits for the probe that is running."""
        self._stopped.set()
        if prober := self._prober:
            prober.join()

    def _measure(self) -> None:
        started_at, self._measuring = self._clock(), True
        self._start_probing()
        self._changed.wait_for(lambda: self._open or self._probed_at >= started_at, timeout=self._max_silence / 2)
        if self._probed_at < started_at:
            self._latency = None
        self._measured_at, self._measuring = self._clock(), False

    def _await_probe(self) -> None:
        """While the database is suspected to be down, wait for the probe. Raises DatabaseUnavailableError if it is."""
        if self._open or self._suspected:
            self._start_probing()
            self._changed.wait_for(lambda: self._open or not self._suspected, timeout=self._max_silence)
            if self._open or self._suspected:
                raise DatabaseUnavailableError

    def _notice_silence(self) -> None:
        if self._calls and self._clock() - self._silent_since >= self._max_silence / 4:
            self._suspected = True
            self._start_probing()

    def _ended(self, error: BaseException | None = None) -> None:
        """Record the end of a call. Any answer shows that the database is up, even an error."""
        refused = isinstance(error, httpx.ConnectError)
        with self._changed:
            self._calls -= 1
            if refused or isinstance(error, httpx.TimeoutException):
                self._suspected = True
                self._switch(is_open=refused or self._open)
                self._start_probing()
            else:
                self._answered_at = self._silent_since = self._clock()
                self._suspected = False
            self._changed.notify_all()

    def _start_probing(self) -> None:
        if self._prober is None or not self._prober.is_alive():
            self._prober = threading.Thread(target=self._keep_probing, name="database-probe", daemon=True)
            self._prober.start()

    def _keep_probing(self) -> None:
        while not (self._stopped.is_set() or self._probe_once()):
            self._stopped.wait(_PAUSE_SECONDS)

    def _probe_once(self) -> bool:
        """Send a probe, update the state, and return whether it was answered. Only the probing thread calls this."""
        began = self._clock()
        latency = self._probe(self._max_silence * 3 / 4)
        with self._changed:
            if latency is not None:
                self._latency, self._probed_at = latency, self._clock()
                self._silent_since, self._suspected = self._probed_at, False
                self._prober = None
                self._switch(is_open=False)
            elif self._answered_at < began:
                self._switch(is_open=True)
            self._changed.notify_all()
        return latency is not None

    def _switch(self, *, is_open: bool) -> None:
        if is_open and not self._open:
            logger.warning("Database circuit breaker open: the database does not answer")
        elif self._open and not is_open:
            logger.info("Database circuit breaker closed: the database answers again")
        self._open = is_open
