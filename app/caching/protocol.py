"""The cache protocol: leases for readers, tombstones for writers, and owed deletes while Redis is unavailable.

Promise: a read that starts after a change was acknowledged never returns a value computed before that change.
docs/cache-protocol.md explains why this holds, and lists the exceptions.

Sources: for leases, R. Nishtala et al., *Scaling Memcache at Facebook*, NSDI 2013, section 3.2.1; for the set of
in-flight writers in the entry, our own measurement of the alternatives (docs/cache-protocol.md).
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from app.caching.breaker import CircuitBreaker
from app.caching.codec import check_length
from app.caching.connection import Link
from app.caching.errors import REDIS_ERRORS, CacheUnavailableError, ErrorKind
from app.caching.events import Event, Reason
from app.caching.guard import Guard
from app.caching.identifiers import new_identifier
from app.caching.policy import Policy, Timing, milliseconds
from app.caching.scripts import run, run_for_each
from app.caching.shared import SharedRegion
from app.caching.states import FAILURE, Answer, Bypass, Failed, Granted, Leased, Miss, Outcome

logger = logging.getLogger(__name__)

R = TypeVar("R")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05
_POISON = Bypass(Reason.POISON)
_DELETED_BY_READER = {Reason.POISON, Reason.WRONG_TYPE, Reason.OUTLIVED}


class LeaseProtocol:
    """Reads, fills and invalidates the entries of one Redis. Never raises for Redis errors, except `drop`."""

    def __init__(
        self,
        link: Link,
        *,
        region: SharedRegion | None = None,
        timing: Timing | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use the Redis behind `link`.

        Args:
            link: the connections to Redis; see `connection.connect`.
            region: the memory shared with other processes; by default a private one.
            timing: the time limits of leases, waits and writers.
            sleep: sleeps for a number of seconds, while another reader holds the lease.
            clock: returns monotonic seconds.

        """
        self.client, self.max_connections = link.client, link.max_connections
        self.send_as_reader = link.send_as_reader
        self.timing, self.region = timing or Timing(), region or SharedRegion()
        self._link, self._sleep, self._clock = link, sleep, clock
        self.breaker = CircuitBreaker(ping=self._ping, deliver=self._deliver, region=self.region, clock=clock)
        self.guard = Guard(self.breaker, self.region, clock=clock)
        self._mark_limits = self.timing.mark_limits_ms

    def fetch(self, key: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        """Return the value of the entry, or compute it. Of many simultaneous readers only one computes and stores it.

        The result is not stored if a writer begins in the meantime.

        Raises:
            Exception: the exception of `compute`, or `policy.failing_with` if the entry holds a failure mark.

        """
        found = self._read(key, policy)
        answer = found if isinstance(found, Answer) else self._handle_miss(key, found, compute, policy)
        self.region.count(answer.outcome)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("cache %s %s%s", answer.outcome, key, f" ({answer.detail})" if answer.detail else "")
        return answer

    def begin(self, key: str) -> str:
        """Add a writer to the tombstone, before the write starts. Return the writer's token for `end`.

        The write may proceed if Redis cannot be reached: `end` then owes the delete.
        """
        token = new_identifier()
        try:
            self.guard.call(run, self._link.send_as_writer, "begin", key, token, milliseconds(self.timing.writer))
        except CacheUnavailableError:
            self.region.count(Event.BEGIN_FAILED)
        return token

    def end(self, key: str, token: str = "") -> None:
        """Invalidate `key` once the outcome of the writer `token` is known, or (without a token) unconditionally.

        A delete that cannot be delivered now is owed. Until it is delivered, this process bypasses the cache for all
        keys, and the other processes of this machine bypass it for this key.
        """
        try:
            self.guard.call(run, self._link.send_as_writer, "end", key, token, milliseconds(self.timing.writer))
        except CacheUnavailableError:
            self.region.count(Event.OWED)
            self.breaker.owe(key, token, lifetime=self.timing.owed)
            logger.debug("cache invalidation owed %s", key)
        else:
            self.region.count(Event.INVALIDATED)
            logger.debug("cache invalidated %s", key)

    def peek(self, key: str, policy: Policy[R]) -> Answer[R] | None:
        """Return the value that readers get now, or None. Takes no lease. Raises CacheUnavailableError."""
        if self.region.is_marked(key):
            return None
        asked_at = self._clock()
        pipeline = self.client.pipeline(transaction=False)
        pipeline.get(key)
        pipeline.pttl(key)
        payload, left_ms = self.guard.call(pipeline.execute)
        found = self._validated(payload or b"", left_ms, asked_at, policy)
        return found if isinstance(found, Answer) else None

    def drop(self, keys: list[bytes], *, force: bool = False) -> int:
        """Invalidate many entries and return how many were deleted.

        Tombstones of writers in flight stay: until a writer has ended, no reader may store the value that it changes.
        `force` deletes these tombstones too, like an eviction. A reader may then store a value without the change. This
        value stays until the writer ends. If the writer never ends, the value stays until its TTL.

        Raises:
            redis.RedisError: the server or the connection failed.

        """
        return sum(run_for_each(self._link, "end", keys, "", 0 if force else milliseconds(self.timing.writer)))

    def _read(self, key: str, policy: Policy[R]) -> Answer[R] | Miss:
        """Read once: return the stored value, or the reason why there is none."""
        if self.region.is_marked(key):
            return Bypass(Reason.OWED)
        token, asked_at = new_identifier(), self._clock()
        try:
            reply = self.guard.call(run, self.send_as_reader, "read", key, token, *self._mark_limits)
        except CacheUnavailableError as error:
            if error.kind is ErrorKind.TIMEOUT:  # the script may still run and leave a lease that no reader uses
                self.breaker.owe(key, token, lifetime=self.timing.lease)
            return Bypass(error.kind.reason)
        if isinstance(reply, list):
            payload, left_ms = reply
            return self._validated(payload, left_ms, asked_at, policy)
        misses = (Granted(token), Leased(), Bypass(Reason.WRITER), Bypass(Reason.WRONG_TYPE), Failed(), _POISON)
        return misses[reply]

    def _validated(self, payload: bytes, left_ms: int, asked_at: float, policy: Policy[R]) -> Answer[R] | Bypass:
        """Return a stored value, or why it must be discarded."""
        left = left_ms / 1000
        if not 0 <= left <= policy.ttl:
            return _POISON  # the engine always sets a TTL, and never a longer one
        if asked_at - (policy.ttl - left) < self._link.incarnation.first_seen:
            return Bypass(Reason.OUTLIVED)
        try:
            return Answer(policy.codec.decode(payload), Outcome.HIT, left)
        except ValueError:
            return _POISON

    def _handle_miss(self, key: str, miss: Miss, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        """Wait, compute or raise, depending on the state of the entry. Raises as `fetch` does."""
        if isinstance(miss, Leased):
            found = self._wait(key, policy)
            if isinstance(found, Answer):
                return found._replace(outcome=Outcome.COLLAPSED)
            miss = found
        if isinstance(miss, Failed):
            self.region.count(Event.FAILED)
            raise (policy.failing_with or RuntimeError)
        if isinstance(miss, Granted):
            return self._fill(key, miss.token, compute, policy)
        if miss.reason in _DELETED_BY_READER:
            if miss is _POISON:
                self.guard.warn(f"Redis error, answering without the cache: {ErrorKind.POISON.description}")
            self.region.count(Event.POISON)
            self.end(key)
        return Answer(compute(), Outcome.BYPASS, detail=miss.reason)

    def _wait(self, key: str, policy: Policy[R]) -> Answer[R] | Granted | Failed | Bypass:
        """Repeat the read while another reader holds the lease, for at most `timing.wait`."""
        self.region.count(Event.WAITS)
        now = self._clock()
        deadline, pause = now + self.timing.wait, _FIRST_PAUSE
        while now < deadline and policy.worth_waiting():
            self._sleep(min(pause, deadline - now))
            found = self._read(key, policy)
            if not isinstance(found, Leased):
                return found
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            now = self._clock()
        return Bypass(Reason.WAIT_TIMEOUT)

    def _fill(self, key: str, token: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        """Compute under the lease `token` and store the result, or release the lease. Raises as `compute` does."""
        started = self._clock()
        try:
            value = compute()
        except BaseException as error:
            if policy.failing_with and isinstance(error, policy.failing_with) and policy.worth_waiting():
                self._send_optional("fill", key, token, FAILURE, milliseconds(self.timing.wait))
            else:
                self._send_optional("abandon", key, token)
            raise
        try:
            payload = check_length(policy.codec.encode(value))
        except (TypeError, ValueError, RecursionError):
            self._send_optional("abandon", key, token)
            return Answer(value, Outcome.BYPASS, detail=Reason.UNSERIALISABLE)
        return self._store(key, token, value, payload, started, policy.ttl)

    def _store(self, key: str, token: str, value: R, payload: bytes, started: float, ttl: float) -> Answer[R]:  # noqa: PLR0913, PLR0917 - all of one fill
        """Store a payload if the reader still holds its lease. The TTL counts from the start of the computation."""
        # Otherwise a value that was read before a restart could look newer than the first contact with the new server.
        left = ttl - (self._clock() - started)
        try:
            stored = self.guard.call(run, self.send_as_reader, "fill", key, token, payload, milliseconds(left))
        except CacheUnavailableError as error:
            return Answer(value, Outcome.BYPASS, detail=error.kind.reason)
        if stored:
            return Answer(value, Outcome.STORED, ttl=round(left))
        if left <= ttl - self.timing.lease:
            lease = f"{self.timing.lease:g} s"
            self.guard.warn(f"A computation took longer than the lease of {lease}; its result is not cached")
            return Answer(value, Outcome.BYPASS, detail=Reason.LEASE_EXPIRED)
        return Answer(value, Outcome.REJECTED)

    def _send_optional(self, script: str, key: str, *arguments: str | bytes | int) -> None:
        """Run a script whose failure is harmless: the lease then expires."""
        try:
            self.guard.call(run, self.send_as_reader, script, key, *arguments)
        except CacheUnavailableError:
            logger.debug("lease on %s left to expire", key)

    def _ping(self) -> bool:
        try:
            return bool(self.client.ping())
        except REDIS_ERRORS:
            return False

    def _deliver(self, key: str, token: str) -> bool:
        """Send an owed delete. This call does not go through the breaker, which is still open."""
        try:
            run(self._link.send_as_writer, "end", key, token, milliseconds(self.timing.writer))
        except REDIS_ERRORS as error:
            self.guard.record(error)
            return False
        self.region.count(Event.DELIVERED)
        return True
