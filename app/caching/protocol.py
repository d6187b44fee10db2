"""The cache protocol: leases for readers, tombstones for writers, deletes owed when Redis is away.

Promise: a read that starts after a change was acknowledged never returns a value computed before that change. How, and
what is left out, is argued in docs/cache-protocol.md.

Sources: leases, R. Nishtala et al., *Scaling Memcache at Facebook*, NSDI 2013, section 3.2.1; set of in-flight writers
in the entry, our own measurement of the alternatives (docs/cache-protocol.md).
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from redis import Redis

from app.caching.breaker import CircuitBreaker
from app.caching.codec import Policy
from app.caching.connection import sender
from app.caching.guard import REDIS_ERRORS, CacheUnavailableError, Guard, Trouble
from app.caching.incarnation import Incarnation
from app.caching.scripts import run, run_for_all
from app.caching.shared import SharedRegion
from app.caching.states import FAILURE, Answer, Bypass, Failed, Granted, Leased, Outcome, Seen
from app.identifiers import new_identifier

logger = logging.getLogger(__name__)

R = TypeVar("R")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05
_DROPPED = {"poison", "wrong-type", "outlived"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things may take, in seconds.

    lease > wait > p99 of the computation; writer > the slowest commit; owed > lease + the longest TTL: after it nothing
    that was computed before a change can be left in Redis. answer: how long a reader waits for Redis before it computes
    itself; by default as long as a writer does, until the client's own time-out.
    """

    lease: float = 5.0
    wait: float = 2.0
    writer: float = 30.0
    owed: float = 30.0
    answer: float | None = None


class LeaseProtocol:
    """Reads, fills and invalidates entries of one Redis by the protocol. Never raises for Redis trouble."""

    def __init__(  # noqa: PLR0913 - what tests replace, each with its production default
        self,
        client: Redis,
        incarnation: Incarnation,
        *,
        region: SharedRegion | None = None,
        timing: Timing | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Work on `client`.

        Args:
            client: see `connection.connect`.
            incarnation: knows since when `client` talks to its server.
            region: where marks and counts are shared with other workers; a private one by default.
            timing: how long leases, waits and writers last.
            sleep: pauses (seconds) while another reader holds the lease.
            clock: monotonic seconds.

        """
        self.client, self.timing, self.region = client, timing or Timing(), region or SharedRegion()
        self._incarnation, self._sleep, self._clock = incarnation, sleep, clock
        self.breaker = CircuitBreaker(ping=self._ping, deliver=self._deliver, region=self.region, clock=clock)
        self.guard = Guard(self.breaker, self.region, clock=clock)
        self._send, self._ask = sender(client), sender(client, seconds=self.timing.answer)
        self._lease_ms = _ms(self.timing.lease)

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
            self._run("begin", key, token, _ms(self.timing.writer))
        except CacheUnavailableError:
            self.region.count("begin-failed")
        return token

    def end(self, key: str, token: str = "") -> None:
        """Invalidate `key`: the writer `token` has its outcome, or (no token) somebody just wants the value gone.

        What cannot be delivered now is owed: until it is, or until nothing stored before can be left, this process
        answers everything, and all workers answer this key, from the database.
        """
        try:
            self._run("end", key, token)
        except CacheUnavailableError:
            self.region.count("owed")
            self.breaker.owe(key, token, lifetime=self.timing.owed)
            logger.debug("cache invalidation owed %s", key)
        else:
            self.region.count("invalidated")
            logger.debug("cache invalidated %s", key)

    def drop(self, keys: list[bytes]) -> int:
        """Invalidate many entries, writers in flight excepted, and return how many are gone.

        Raises:
            redis.RedisError: what the server or the connection answered.

        """
        return sum(run_for_all(self.client, "end", keys, ""))

    def _read(self, key: str, policy: Policy[R]) -> Answer[R] | Seen:
        """Look once: return the value that is stored, or else what is in its place."""
        if self.region.is_marked(key):
            return Bypass("owed")
        token, asked_at = new_identifier(), self._clock()
        try:
            reply = self.guard.call(run, self._ask, "read", key, token, self._lease_ms)
        except CacheUnavailableError as error:
            if error.trouble is Trouble.TIMEOUT:  # it may still run, and would then lease the entry to nobody
                self.breaker.owe(key, token, lifetime=self.timing.lease)
            return Bypass(f"redis-{error.trouble.label}")
        if isinstance(reply, list):
            payload, left_ms = reply
            try:
                return self._believed(payload, left_ms, asked_at, policy)
            except ValueError as error:
                return Bypass(str(error))
        coded = (Granted(token), Leased(), Bypass("writer-in-flight"), Bypass("wrong-type"), Failed())
        return coded[reply]

    def _believed(self, payload: bytes, left_ms: int, asked_at: float, policy: Policy[R]) -> Answer[R]:
        """Return a stored value. Raises ValueError with the reason why it is not to be believed."""
        left = left_ms / 1000
        if not 0 <= left <= policy.ttl:
            raise ValueError("poison")  # we always give an entry a TTL, and never a longer one
        if asked_at - (policy.ttl - left) < self._incarnation.first_met:
            raise ValueError("outlived")
        try:
            return Answer(policy.codec.decode(payload), Outcome.HIT, left)
        except ValueError:
            self.guard.warn(Trouble.POISON)
            raise ValueError("poison") from None

    def _obtain(self, key: str, seen: Seen, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        """Answer where no value is stored. Raises as `fetch` does."""
        if isinstance(seen, Leased):
            found = self._await(key, policy)
            if isinstance(found, Answer):
                return found._replace(outcome=Outcome.COLLAPSED)
            seen = found
        if isinstance(seen, Failed):
            self.region.count("failed")
            raise (policy.failing_with or RuntimeError)
        if isinstance(seen, Granted):
            return self._fill(key, seen.token, compute, policy)
        if seen.reason in _DROPPED:
            self.region.count("poison")
            self.end(key)
        return Answer(compute(), Outcome.BYPASS, detail=seen.reason)

    def _await(self, key: str, policy: Policy[R]) -> Answer[R] | Granted | Failed | Bypass:
        """Look again and again while another reader holds the lease, for at most `timing.wait`."""
        self.region.count("waits")
        now = self._clock()
        deadline, pause = now + self.timing.wait, _FIRST_PAUSE
        while now < deadline:
            self._sleep(min(pause, deadline - now))
            seen = self._read(key, policy)
            if not isinstance(seen, Leased):
                return seen
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            now = self._clock()
        return Bypass("wait-timeout")

    def _fill(self, key: str, token: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        started = self._clock()
        try:
            value = compute()
        except BaseException as error:
            if policy.failing_with and isinstance(error, policy.failing_with):
                self._try("fill", key, token, FAILURE, _ms(self.timing.wait))
            else:
                self._try("abandon", key, token)
            raise
        try:
            payload = policy.codec.encode(value)
        except (TypeError, ValueError):
            self._try("abandon", key, token)
            return Answer(value, Outcome.BYPASS, detail="unserialisable")
        left = policy.ttl - (self._clock() - started)  # or what preceded a new server could look younger than it
        try:
            stored = self._run("fill", key, token, payload, _ms(left))
        except CacheUnavailableError as error:
            return Answer(value, Outcome.BYPASS, detail=f"redis-{error.trouble.label}")
        return Answer(value, Outcome.STORED, ttl=round(left)) if stored else Answer(value, Outcome.REJECTED)

    def _try(self, script: str, key: str, *arguments: str | bytes | int) -> None:
        """Run a script whose failure costs nothing but time: the lease then runs out by itself."""
        try:
            self._run(script, key, *arguments)
        except CacheUnavailableError:
            logger.debug("lease on %s left to run out", key)

    def _run(self, script: str, key: str, *arguments: str | bytes | int) -> Any:  # noqa: ANN401 - a Redis reply
        return self.guard.call(run, self._send, script, key, *arguments)

    def _ping(self) -> bool:
        try:
            return bool(self.client.ping())
        except REDIS_ERRORS:
            return False

    def _deliver(self, key: str, token: str) -> bool:
        """Send an owed end past the breaker, which is still open."""
        try:
            run(self._send, "end", key, token)
        except REDIS_ERRORS as error:
            self.guard.note(error)
            return False
        self.region.count("delivered")
        return True


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
