"""The cache protocol: leases for readers, tombstones for writers, ends owed when Redis is away.

Promise: a read that starts after a change was acknowledged never returns a value computed before that change. How, and
what is left out, is argued in docs/cache-protocol.md.

Sources: leases, R. Nishtala et al., *Scaling Memcache at Facebook*, NSDI 2013, section 3.2.1; set of in-flight writers
in the entry, our own measurement of the alternatives (docs/cache-protocol.md).
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from app.caching.breaker import CircuitBreaker
from app.caching.codec import Policy, short_enough
from app.caching.connection import Link
from app.caching.events import Event, Reason
from app.caching.guard import Guard
from app.caching.identifiers import new_identifier
from app.caching.scripts import run, run_for_all
from app.caching.shared import SharedRegion
from app.caching.states import FAILURE, Answer, Bypass, Failed, Granted, Leased, Outcome, Seen
from app.caching.timing import Timing, milliseconds
from app.caching.trouble import REDIS_ERRORS, CacheUnavailableError, Trouble

logger = logging.getLogger(__name__)

R = TypeVar("R")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05
_POISON = Bypass(Reason.POISON)
_DROPPED = {Reason.POISON, Reason.WRONG_TYPE, Reason.OUTLIVED}


class LeaseProtocol:
    """Reads, fills and invalidates entries of one Redis by the protocol. Never raises for Redis trouble."""

    def __init__(
        self,
        link: Link,
        *,
        region: SharedRegion | None = None,
        timing: Timing | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Work on `link`.

        Args:
            link: the way to Redis; see `connection.connect`.
            region: where marks and counts are shared with other processes; a private one by default.
            timing: how long leases, waits and writers last.
            sleep: pauses (seconds) while another reader holds the lease.
            clock: monotonic seconds.

        """
        self.client, self.ask, self.max_connections = link.client, link.ask, link.max_connections
        self.timing, self.region = timing or Timing(), region or SharedRegion()
        self._link, self._sleep, self._clock = link, sleep, clock
        self.breaker = CircuitBreaker(ping=self._ping, deliver=self._deliver, region=self.region, clock=clock)
        self.guard = Guard(self.breaker, self.region, clock=clock)
        self._longest = self.timing.longest_ms

    def fetch(self, key: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        """Return the entry's value, or compute it: once per herd, stored if no writer interferes.

        Raises:
            Exception: what `compute` raises, or `policy.failing_with` when it has just failed for another caller.

        """
        seen = self._read(key, policy)
        answer = seen if isinstance(seen, Answer) else self._obtain(key, seen, compute, policy)
        self.region.count(answer.outcome)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("cache %s %s%s", answer.outcome, key, f" ({answer.detail})" if answer.detail else "")
        return answer

    def begin(self, key: str) -> str:
        """Announce a write that is about to start; return the writer's token for `end`.

        An unreachable Redis does not stop the write: `end` will then owe the delete.
        """
        token = new_identifier()
        try:
            self.guard.call(run, self._link.send, "begin", key, token, milliseconds(self.timing.writer))
        except CacheUnavailableError:
            self.region.count(Event.BEGIN_FAILED)
        return token

    def end(self, key: str, token: str = "") -> None:
        """Invalidate `key`: the writer `token` has its outcome, or (no token) somebody just wants the value gone.

        What cannot be delivered now is owed. Until it is delivered this process computes everything, and all processes
        of this machine compute this key.
        """
        try:
            self.guard.call(run, self._link.send, "end", key, token, milliseconds(self.timing.writer))
        except CacheUnavailableError:
            self.region.count(Event.OWED)
            self.breaker.owe(key, token, lifetime=self.timing.owed)
            logger.debug("cache invalidation owed %s", key)
        else:
            self.region.count(Event.INVALIDATED)
            logger.debug("cache invalidated %s", key)

    def drop(self, keys: list[bytes], *, force: bool = False) -> int:
        """Invalidate many entries and return how many are gone.

        Tombstones of writers in flight stay: until a writer has ended, nobody may store what it is changing. With
        `force` they go too, as if they were evicted: what is stored then may lack the change until the writer ends,
        or for its whole life if the writer never does.

        Raises:
            redis.RedisError: what the server or the connection answered.

        """
        return sum(run_for_all(self._link, "end", keys, "", 0 if force else milliseconds(self.timing.writer)))

    def _read(self, key: str, policy: Policy[R]) -> Answer[R] | Seen:
        """Look once: return the value that is stored, or else what is in its place."""
        if self.region.is_marked(key):
            return Bypass(Reason.OWED)
        token, asked_at = new_identifier(), self._clock()
        try:
            reply = self.guard.call(run, self._link.ask, "read", key, token, *self._longest)
        except CacheUnavailableError as error:
            if error.trouble is Trouble.TIMEOUT:  # it may still run, and would then lease the entry to nobody
                self.breaker.owe(key, token, lifetime=self.timing.lease)
            return Bypass(error.trouble.reason)
        if isinstance(reply, list):
            payload, left_ms = reply
            return self._validated(payload, left_ms, asked_at, policy)
        coded = (Granted(token), Leased(), Bypass(Reason.WRITER), Bypass(Reason.WRONG_TYPE), Failed(), _POISON)
        return coded[reply]

    def _validated(self, payload: bytes, left_ms: int, asked_at: float, policy: Policy[R]) -> Answer[R] | Bypass:
        """Return a stored value, or why it must be discarded."""
        left = left_ms / 1000
        if not 0 <= left <= policy.ttl:
            return _POISON  # we always give an entry a TTL, and never a longer one
        if asked_at - (policy.ttl - left) < self._link.incarnation.first_met:
            return Bypass(Reason.OUTLIVED)
        try:
            return Answer(policy.codec.decode(payload), Outcome.HIT, left)
        except ValueError:
            return _POISON

    def _obtain(self, key: str, seen: Seen, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        """Answer where no value is stored. Raises as `fetch` does."""
        if isinstance(seen, Leased):
            found = self._await(key, policy)
            if isinstance(found, Answer):
                return found._replace(outcome=Outcome.COLLAPSED)
            seen = found
        if isinstance(seen, Failed):
            self.region.count(Event.FAILED)
            raise (policy.failing_with or RuntimeError)
        if isinstance(seen, Granted):
            return self._fill(key, seen.token, compute, policy)
        if seen.reason in _DROPPED:
            if seen is _POISON:
                self.guard.warn(f"Redis trouble, answering without the cache: {Trouble.POISON.words}")
            self.region.count(Event.POISON)
            self.end(key)
        return Answer(compute(), Outcome.BYPASS, detail=seen.reason)

    def _await(self, key: str, policy: Policy[R]) -> Answer[R] | Granted | Failed | Bypass:
        """Look again and again while another reader holds the lease, for at most `timing.wait`."""
        self.region.count(Event.WAITS)
        now = self._clock()
        deadline, pause = now + self.timing.wait, _FIRST_PAUSE
        while now < deadline and policy.worth_waiting():
            self._sleep(min(pause, deadline - now))
            seen = self._read(key, policy)
            if not isinstance(seen, Leased):
                return seen
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            now = self._clock()
        return Bypass(Reason.WAIT_TIMEOUT)

    def _fill(self, key: str, token: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        """Compute under the lease `token` and store the result, or give the lease back. Raises as `compute` does."""
        started = self._clock()
        try:
            value = compute()
        except BaseException as error:
            if policy.failing_with and isinstance(error, policy.failing_with) and policy.worth_waiting():
                self._try("fill", key, token, FAILURE, milliseconds(self.timing.wait))
            else:
                self._try("abandon", key, token)
            raise
        try:
            payload = short_enough(policy.codec.encode(value))
        except (TypeError, ValueError, RecursionError):
            self._try("abandon", key, token)
            return Answer(value, Outcome.BYPASS, detail=Reason.UNSERIALISABLE)
        return self._store(key, token, value, payload, started, policy.ttl)

    def _store(self, key: str, token: str, value: R, payload: bytes, started: float, ttl: float) -> Answer[R]:  # noqa: PLR0913, PLR0917 - all of one fill
        """Store a payload while the lease stands. The age of an entry counts from the start of its computation."""
        left = ttl - (self._clock() - started)  # else what preceded a new server could look younger than it
        try:
            stored = self.guard.call(run, self._link.ask, "fill", key, token, payload, milliseconds(left))
        except CacheUnavailableError as error:
            return Answer(value, Outcome.BYPASS, detail=error.trouble.reason)
        if stored:
            return Answer(value, Outcome.STORED, ttl=round(left))
        if left <= ttl - self.timing.lease:
            self.guard.warn(f"A computation took longer than the lease of {self.timing.lease:g} s; it is not cached")
            return Answer(value, Outcome.BYPASS, detail=Reason.LEASE_EXPIRED)
        return Answer(value, Outcome.REJECTED)

    def _try(self, script: str, key: str, *arguments: str | bytes | int) -> None:
        """Run a script whose failure costs nothing but time: the lease then runs out by itself."""
        try:
            self.guard.call(run, self._link.ask, script, key, *arguments)
        except CacheUnavailableError:
            logger.debug("lease on %s left to run out", key)

    def _ping(self) -> bool:
        try:
            return bool(self.client.ping())
        except REDIS_ERRORS:
            return False

    def _deliver(self, key: str, token: str) -> bool:
        """Send an owed end past the breaker, which is still open."""
        try:
            run(self._link.send, "end", key, token, milliseconds(self.timing.writer))
        except REDIS_ERRORS as error:
            self.guard.note(error)
            return False
        self.region.count(Event.DELIVERED)
        return True
