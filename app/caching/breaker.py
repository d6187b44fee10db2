"""The circuit breaker: one process's opinion of whether Redis is worth a call, and the ends it owes.

Pattern: M. Nygard, *Release It!*, 2nd ed., ch. 5. State lives in the process, never in the Redis it guards.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from app.caching.events import BreakerState
from app.caching.shared import SharedRegion

logger = logging.getLogger(__name__)

MOST_OVERDUE = 1000
"""How many debts are kept that can no longer show an old value; see `CircuitBreaker.owe`."""


class CircuitBreaker:
    """Stops calling a Redis that does not answer, finds out by itself when it does again, and settles debts first.

    Promise: **closed implies that this process owes no end**, so whoever is admitted reads nothing that this process
    knows to be outdated. What other processes owe is marked in the shared region. Only the state is under the lock,
    never a network call; the hot path reads one attribute, `state`, which only the breaker writes.
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
            ping: asks the server once and says whether it answered; never raises.
            deliver: sends the owed end (key, token) and says whether it arrived; never raises.
            region: where other processes learn which keys this one owes an end, and where transitions are counted.
            interval: seconds between probes while open.
            clock: monotonic seconds.

        """
        self._ping, self._deliver, self._region = ping, deliver, region
        self._interval, self._clock = interval, clock
        self._lock = threading.Lock()
        self.state = BreakerState.CLOSED
        self._owed: dict[tuple[str, str], float] = {}
        self._probe_pid: int | None = None

    @property
    def owed(self) -> int:
        """How many ends are still to be delivered."""
        return len(self._owed)

    def admits(self) -> bool:
        """Say whether a call may go to Redis now; costs no lock while closed."""
        if self.state is BreakerState.CLOSED:
            return True
        if self._probe_pid != os.getpid():  # the probing thread did not survive a fork
            with self._lock:
                self._start_probe()
        return False

    def failure(self, reason: str) -> None:
        """Note a connection failure or timeout, and open: with a probe in the background a single one is enough.

        A lost connection then costs a few milliseconds of bypassing, a hung server one timeout per thread.
        """
        with self._lock:
            if self.state is BreakerState.CLOSED:
                self._move(BreakerState.OPEN, reason)
                self._start_probe()

    def owe(self, key: str, token: str, *, lifetime: float) -> None:
        """Remember an undelivered end, and stay open until it is delivered.

        After `lifetime` seconds no value that it should have dropped can be left in Redis. It is still worth
        delivering: a command that timed out runs when a hung server goes on, and the end takes back the lease or the
        tombstone that this leaves behind. Of debts that old only the latest `MOST_OVERDUE` are kept.
        """
        with self._lock:
            self._owed[key, token] = self._clock() + lifetime
            self._forget_oldest()
            self._region.mark(key, seconds=lifetime)
            if self.state is BreakerState.CLOSED:
                self._move(BreakerState.OPEN, "an invalidation could not be delivered")
                self._start_probe()

    def _forget_oldest(self) -> None:
        if len(self._owed) > MOST_OVERDUE:
            now = self._clock()
            overdue = [debt for debt, until in self._owed.items() if until <= now]
            for debt in overdue[:-MOST_OVERDUE]:
                del self._owed[debt]

    def _move(self, state: BreakerState, reason: str) -> None:
        # A server that answers but takes no deletes bounces between open and half-open: that is not news.
        bounce = BreakerState.HALF_OPEN in (state, self.state) and state is not BreakerState.CLOSED
        level = logging.DEBUG if bounce else logging.INFO if state is BreakerState.CLOSED else logging.WARNING
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
        while not (self._ping() and self._settle()):
            pause.wait(self._interval)

    def _settle(self) -> bool:
        """Deliver what is owed, then close; False when a debt stays undelivered."""
        with self._lock:
            self._move(BreakerState.HALF_OPEN, "Redis answers again")
        while True:
            with self._lock:
                debts = list(self._owed)
                if not debts:
                    self._probe_pid = None
                    self._region.unmark()
                    self._move(BreakerState.CLOSED, "nothing is owed, caching resumes")
                    return True
            for debt in debts:
                if not self._deliver(*debt):
                    with self._lock:
                        self._move(BreakerState.OPEN, "an owed invalidation could not be delivered")
                    return False
                with self._lock:
                    self._owed.pop(debt, None)
