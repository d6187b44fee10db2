"""A circuit breaker: whether the database is worth a call, found out by one probe at a time.

Pattern: M. Nygard, *Release It!*, 2nd ed., ch. 5. What it knows is one process's own.
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
    """Lets calls through while the database answers, and refuses them at once while it is down. Thread-safe.

    A refused connection opens it. Waiting does not, because one statement may be slow. When calls have waited for a
    quarter of `patience` and none came back, or when one timed out, a probe asks the database something cheap, and new
    calls wait for what it finds. It opens when neither the probe nor any call was answered for the rest of `patience`.
    While it is open probes go on, one at a time, and the first that is answered closes it.

    Only the state is under the lock, never a network call. No thread is started before the first doubt, so a process
    that has made no call yet can be forked.
    """

    def __init__(
        self,
        probe: Callable[[float], float | None],
        *,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start closed.

        Args:
            probe: makes the database answer within the given seconds; returns how many it took, or None when it did
                not answer. Never raises.
            patience: seconds without any answer, while calls wait, after which the database is down.
            clock: monotonic seconds.

        """
        self._probe, self._patience, self._clock = probe, patience, clock
        self._changed = threading.Condition()
        self._open = self._suspected = False
        self._calls = 0
        self._quiet_since = self._heard_at = self._probed_at = self._judged_at = -math.inf
        self._latency: float | None = None
        self._judging = False
        self._prober: threading.Thread | None = None
        self._over = threading.Event()

    def admits(self) -> bool:
        """Say whether the database may answer. Asks nobody, but notices when calls wait and none comes back."""
        with self._changed:
            self._notice_silence()
            return not self._open

    @contextmanager
    def call(self) -> Iterator[None]:
        """Let a call through and learn from how it ends.

        Raises:
            DatabaseUnavailableError: the database is down; the block was not entered.

        """
        with self._changed:
            self._notice_silence()
            self._await_verdict()
            if self._calls == 0:
                self._quiet_since = self._clock()
            self._calls += 1
        try:
            yield
        except BaseException as error:
            self._ended(error)
            raise
        else:
            self._ended()

    def latency(self) -> float:
        """Return how long a probe took, in seconds.

        A probe is made when there was none in the last second. One caller waits for it, for half of `patience` at most;
        others are told meanwhile what the last one found.

        Raises:
            DatabaseUnavailableError: the database is down, or the probe was not answered in time.

        """
        with self._changed:
            age = self._clock() - max(self._judged_at, self._probed_at)
            if age > _FRESH_SECONDS and not self._open and (not self._judging or math.isinf(self._judged_at)):
                self._judge()
            if self._open:
                self._start_probing()
            if self._open or self._latency is None:
                raise DatabaseUnavailableError
            return self._latency

    def close(self) -> None:
        """Make no further probe; waits for the one that is under way."""
        self._over.set()
        if prober := self._prober:
            prober.join()

    def _judge(self) -> None:
        asked_at, self._judging = self._clock(), True
        self._start_probing()
        self._changed.wait_for(lambda: self._open or self._probed_at >= asked_at, timeout=self._patience / 2)
        if self._probed_at < asked_at:
            self._latency = None
        self._judged_at, self._judging = self._clock(), False

    def _await_verdict(self) -> None:
        """Wait while a probe is to show whether calls wait in vain. Raises DatabaseUnavailableError if they do."""
        if self._open or self._suspected:
            self._start_probing()
            self._changed.wait_for(lambda: self._open or not self._suspected, timeout=self._patience)
            if self._open or self._suspected:
                raise DatabaseUnavailableError

    def _notice_silence(self) -> None:
        if self._calls and self._clock() - self._quiet_since >= self._patience / 4:
            self._suspected = True
            self._start_probing()

    def _ended(self, error: BaseException | None = None) -> None:
        """Note the end of a call. Whatever came back, an error too, shows that calls do not wait in vain."""
        refused = isinstance(error, httpx.ConnectError)
        with self._changed:
            self._calls -= 1
            if refused or isinstance(error, httpx.TimeoutException):
                self._suspected = True
                self._move(is_open=refused or self._open)
                self._start_probing()
            else:
                self._heard_at = self._quiet_since = self._clock()
                self._suspected = False
            self._changed.notify_all()

    def _start_probing(self) -> None:
        if self._prober is None or not self._prober.is_alive():
            self._prober = threading.Thread(target=self._keep_probing, name="database-probe", daemon=True)
            self._prober.start()

    def _keep_probing(self) -> None:
        while not (self._over.is_set() or self._is_answered()):
            self._over.wait(_PAUSE_SECONDS)

    def _is_answered(self) -> bool:
        """Probe once and draw the conclusions; only the probing thread calls it."""
        began = self._clock()
        latency = self._probe(self._patience * 3 / 4)
        with self._changed:
            if latency is not None:
                self._latency, self._probed_at = latency, self._clock()
                self._quiet_since, self._suspected = self._probed_at, False
                self._prober = None
                self._move(is_open=False)
            elif self._heard_at < began:
                self._move(is_open=True)
            self._changed.notify_all()
        return latency is not None

    def _move(self, *, is_open: bool) -> None:
        if is_open and not self._open:
            logger.warning("Database circuit breaker open: the database does not answer")
        elif self._open and not is_open:
            logger.info("Database circuit breaker closed: the database answers again")
        self._open = is_open
