"""The circuit breaker of one process: decides whether Redis is called, and keeps the owed deletes of the process.

Pattern: M. Nygard, *Release It!*, 2nd ed., ch. 5. The state is kept in the process, not in the Redis that it guards.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from app.caching.events import BreakerState
from app.caching.shared import SharedRegion

logger = logging.getLogger(__name__)

MAX_EXPIRED_OWED = 1000
"""Maximum number of owed deletes that are kept after their lifetime; see `CircuitBreaker.owe`."""


class CircuitBreaker:
    """Stops calls to a Redis that does not answer, probes it, and delivers all owed deletes before calls resume.

    Invariant: **while the breaker is closed, this process has no owed deletes.** A read that the breaker admits
    therefore never returns a value that this process knows to be outdated. The owed deletes of other processes are
    marked in the shared region. The lock protects only the state and is never held during a network call. The hot path
    reads one attribute, `state`, which only the breaker writes.
    """

    def __init__(
        self,
        *,
        ping: Callable[[], bool],
        deliver: Callable[[str, str], bool],
        region: SharedRegion,
        interval: float = 0.25,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start closed.

        Args:
            ping: pings the server once and returns whether it answered; never raises.
            deliver: sends an owed delete (key, token) and returns whether it succeeded; never raises.
            region: where this process marks the keys with owed deletes for other processes, and counts transitions.
            interval: seconds between two probes while the breaker is open.
            clock: returns monotonic seconds.

        """
        self._ping, self._deliver, self._region = ping, deliver, region
        self._interval, self._clock = interval, clock
        self._lock = threading.Lock()
        self.state = BreakerState.CLOSED
        self._owed: dict[tuple[str, str], float] = {}
        self._probe_pid: int | None = None

    @property
    def owed(self) -> int:
        """The number of owed deletes."""
        return len(self._owed)

    def admits(self) -> bool:
        """Return whether a call may go to Redis now. Takes no lock while the breaker is closed."""
        if self.state is BreakerState.CLOSED:
            return True
        if self._probe_pid != os.getpid():  # the probe thread does not survive a fork
            with self._lock:
                self._start_probe()
        return False

    def record_failure(self, reason: str) -> None:
        """Record a connection failure or timeout, and open the breaker.

        One failure is enough, because the probe starts at once and closes the breaker again.

        A lost connection then costs a bypass of a few milliseconds, and a hung server costs one timeout per thread.
        """
        with self._lock:
            if self.state is BreakerState.CLOSED:
                self._move(BreakerState.OPEN, reason)
                self._start_probe()

    def owe(self, key: str, token: str, *, lifetime: float) -> None:
        """Keep a delete that could not be delivered, and stay open until it is delivered.

        After `lifetime` seconds, the value that this delete should remove has expired. The delete is still kept: a
        command that timed out runs when a hung server resumes, and it then leaves a lease or a writer behind, which
        the owed delete removes. At most `MAX_EXPIRED_OWED` deletes are kept after their lifetime.
        """
        with self._lock:
            self._owed[key, token] = self._clock() + lifetime
            self._discard_oldest()
            self._region.mark(key, seconds=lifetime)
            if self.state is BreakerState.CLOSED:
                self._move(BreakerState.OPEN, "a delete could not be delivered")
                self._start_probe()

    def _discard_oldest(self) -> None:
        if len(self._owed) > MAX_EXPIRED_OWED:
            now = self._clock()
            expired = [owed for owed, until in self._owed.items() if until <= now]
            for owed in expired[:-MAX_EXPIRED_OWED]:
                del self._owed[owed]

    def _move(self, state: BreakerState, reason: str) -> None:
        # A server that answers pings but fails deletes alternates between open and half-open: log that at DEBUG only.
        alternates = BreakerState.HALF_OPEN in (state, self.state) and state is not BreakerState.CLOSED
        level = logging.DEBUG if alternates else logging.INFO if state is BreakerState.CLOSED else logging.WARNING
        self.state = state
        self._region.count(state.counter)
        logger.log(level, "Redis circuit breaker %s: %s", state, reason)

    def _start_probe(self) -> None:
        if self.state is BreakerState.CLOSED or self._probe_pid == os.getpid():
            return
        self._probe_pid = os.getpid()
        threading.Thread(target=self._probe, name="redis-probe", daemon=True).start()

    def _probe(self) -> None:
        pause = threading.Event()
        while not (self._ping() and self._deliver_all()):
            pause.wait(self._interval)

    def _deliver_all(self) -> bool:
        """Deliver all owed deletes, then close. Return False when a delivery failed."""
        with self._lock:
            self._move(BreakerState.HALF_OPEN, "Redis answers again")
        while True:
            with self._lock:
                batch = list(self._owed)
                if not batch:
                    self._probe_pid = None
                    self._region.unmark()
                    self._move(BreakerState.CLOSED, "all owed deletes are delivered, caching resumes")
                    return True
            for owed in batch:
                if not self._deliver(*owed):
                    with self._lock:
                        self._move(BreakerState.OPEN, "an owed delete could not be delivered")
                    return False
                with self._lock:
                    self._owed.pop(owed, None)
