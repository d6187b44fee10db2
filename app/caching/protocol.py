"""The cache protocol: leases for readers, announcements of writers, and owed deletes while Redis is unavailable.

Promise: a read that starts after a change was acknowledged never returns a value computed before that change.
docs/cache-protocol.md explains why this holds, and lists the exceptions.

Sources: for leases, R. Nishtala et al., *Scaling Memcache at Facebook*, NSDI 2013, section 3.2.1; for the set of
in-flight writers in the entry, our own measurement of the alternatives (docs/cache-protocol.md).
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from app.caching.errors import CacheUnavailableError, ErrorKind
from app.caching.events import Event, Reason
from app.caching.identifiers import new_identifier
from app.caching.policy import Policy, milliseconds
from app.caching.scripts import run
from app.caching.states import FAILURE, Answer, Bypass, Failed, Granted, Leased, Miss, Outcome
from app.caching.writers import WriterProtocol

logger = logging.getLogger(__name__)

R = TypeVar("R")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05
_POISON = Bypass(Reason.POISON)
_DELETED_BY_READER = {Reason.POISON, Reason.WRONG_TYPE, Reason.OUTLIVED}
_REDIS_ANSWERED = {*_DELETED_BY_READER, Reason.WRITER, Reason.WAIT_TIMEOUT}


class LeaseProtocol(WriterProtocol):
    """Reads, fills and invalidates the entries of one Redis. Never raises for Redis errors, except `drop`."""

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

    def peek(self, key: str, policy: Policy[R]) -> Answer[R] | None:
        """Return the value that readers get now, or None, also while a writer is in flight. Takes no lease.

        Raises CacheUnavailableError.
        """
        if self.region.is_marked(key):
            return None
        asked_at = self._clock()
        reply = self._send("peek", key, *self._writer_limits)
        if not isinstance(reply, list):
            return None
        payload, left_ms, writers = reply
        found = None if writers else self._validated(payload, left_ms, writers, asked_at, policy)
        return found if isinstance(found, Answer) else None

    def _read(self, key: str, policy: Policy[R]) -> Answer[R] | Miss:
        """Read once: return the stored value, or the reason why there is none."""
        if self.region.is_marked(key):
            return Bypass(Reason.OWED)
        token, asked_at = new_identifier(), self._clock()
        try:
            reply = self.guard.call(run, self.send_as_reader, "read", key, token, *self._read_limits)
        except CacheUnavailableError as error:
            if error.kind is ErrorKind.TIMEOUT:  # the script may still run and leave a lease that no reader uses
                self.breaker.owe(key, token, lifetime=self.timing.lease)
            return Bypass(error.kind.reason)
        if isinstance(reply, list):
            payload, left_ms, writers = reply
            return self._validated(payload, left_ms, writers, asked_at, policy)
        misses = (Granted(token), Leased(), Bypass(Reason.WRITER), Bypass(Reason.WRONG_TYPE), Failed(), _POISON)
        return misses[reply]

    def _validated(
        self, payload: bytes, left_ms: int, writers: int, asked_at: float, policy: Policy[R]
    ) -> Answer[R] | Bypass:
        """Return a stored value, or why it must be discarded."""
        left = left_ms / 1000
        if not 0 <= left <= policy.ttl:
            return _POISON  # the engine always sets a TTL, and never a longer one
        if asked_at - (policy.ttl - left) < self._link.incarnation.first_seen:
            return Bypass(Reason.OUTLIVED)
        try:
            return Answer(policy.codec.decode(payload), Outcome.HIT, left, Reason.WRITER if writers else None)
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
        value = compute()
        if miss.reason in _REDIS_ANSWERED:
            asked_at = self._clock()
            value = self._not_ahead(value, self._send_optional("peek", key, *self._writer_limits), asked_at, policy)
        return Answer(value, Outcome.BYPASS, detail=miss.reason)

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
                self._send_optional("fill", key, token, *self._writer_limits, FAILURE, milliseconds(self.timing.wait))
            else:
                self._send_optional("abandon", key, token, *self._writer_limits)
            raise
        return self._store(key, token, value, started, policy)

    def _store(self, key: str, token: str, value: R, started: float, policy: Policy[R]) -> Answer[R]:
        """Store a value if the reader still holds its lease. The TTL counts from the start of the computation."""
        asked_at = self._clock()
        try:
            payload = policy.payload(value)
        except (TypeError, ValueError, RecursionError):
            reply = self._send_optional("abandon", key, token, *self._writer_limits)
            value = self._not_ahead(value, reply, asked_at, policy)
            return Answer(value, Outcome.BYPASS, detail=Reason.UNSERIALISABLE)
        # Otherwise a value that was read before a restart could look newer than the first contact with the new server.
        left = policy.ttl - (asked_at - started)
        try:
            reply = self._send("fill", key, token, *self._writer_limits, payload, milliseconds(left))
        except CacheUnavailableError as error:
            return Answer(value, Outcome.BYPASS, detail=error.kind.reason)
        if reply == 1:
            return Answer(value, Outcome.STORED, ttl=round(left))
        value = self._not_ahead(value, reply, asked_at, policy)
        if left <= policy.ttl - self.timing.lease:
            lease = f"{self.timing.lease:g} s"
            self.guard.warn(f"A computation took longer than the lease of {lease}; its result is not cached")
            return Answer(value, Outcome.BYPASS, detail=Reason.LEASE_EXPIRED)
        return Answer(value, Outcome.REJECTED)

    def _not_ahead(self, value: R, reply: object, asked_at: float, policy: Policy[R]) -> R:
        """Return the value that other readers find now, according to `reply`, or else the computed `value`.

        The computed value may contain the change of a writer in flight. If other readers are still answered with the
        value from before this change, this reader must be, too. Otherwise its next read could show older data.
        """
        if isinstance(reply, list):
            payload, left_ms, writers = reply
            found = self._validated(payload, left_ms, writers, asked_at, policy)
            return found.value if isinstance(found, Answer) else value
        return value

    def _send(self, script: str, key: str, *arguments: str | bytes | int) -> object:
        """Run a script of a reader that found no value. Raises CacheUnavailableError."""
        return self.guard.call(run, self.send_as_reader, script, key, *arguments)

    def _send_optional(self, script: str, key: str, *arguments: str | bytes | int) -> object:
        """Run such a script. Return None if Redis fails, which is harmless: a lease then expires."""
        try:
            return self._send(script, key, *arguments)
        except CacheUnavailableError:
            logger.debug("script %s not run on %s: Redis failed", script, key)
            return None
