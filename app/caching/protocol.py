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
from app.caching.guard import REDIS_ERRORS, CacheUnavailableError, Guard, Trouble
from app.caching.incarnation import Incarnation
from app.caching.scripts import run, run_for_all
from app.caching.shared import SharedRegion
from app.caching.states import FAILURE, Answer, Bypass, Failed, Granted, Leased, Outcome, Value
from app.identifiers import new_identifier

logger = logging.getLogger(__name__)

R = TypeVar("R")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05
_DROPPED = {"poison", "wrong-type", "outlived"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things may take, in seconds.

    lease > wait > p99 of the computation; writer > the slowest commit; owed > lease + the longest TTL: after it nothing
    that was computed before a change can be left in Redis.
    """

    lease: float = 5.0
    wait: float = 2.0
    writer: float = 30.0
    owed: float = 30.0


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

    def fetch(self, key: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        """Return the entry's value, or compute it: once per herd, stored if no writer interferes.

        Raises:
            Exception: what `compute` raises, or `policy.failing_with` when it has just failed for another caller.

        """
        seen, waited = self._settle(key)
        if isinstance(seen, Failed):
            self.region.count("failed")
            raise (policy.failing_with or RuntimeError)
        answer = self._answer(key, seen, compute, policy, waited=waited)
        self.region.count(answer.outcome)
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

    def _settle(self, key: str) -> tuple[Value | Granted | Failed | Bypass, bool]:
        """Read until there is something to act on; wait at most `timing.wait` for another reader's lease."""
        deadline: float | None = None
        pause = _FIRST_PAUSE
        while True:
            seen = self._read(key)
            if not isinstance(seen, Leased):
                return seen, deadline is not None
            now = self._clock()
            if deadline is None:
                deadline = now + self.timing.wait
                self.region.count("waits")
            if now >= deadline:
                return Bypass("wait-timeout"), True
            self._sleep(min(pause, deadline - now))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _read(self, key: str) -> Value | Granted | Leased | Failed | Bypass:
        if self.region.is_marked(key):
            return Bypass("owed")
        token, started = new_identifier(), self._clock()
        try:
            reply = self._run("read", key, token, _ms(self.timing.lease))
        except CacheUnavailableError as error:
            if error.trouble is Trouble.TIMEOUT:  # it may still run, and would then lease the entry to nobody
                self.breaker.owe(key, token, lifetime=self.timing.lease)
            return Bypass(f"redis-{error.trouble.label}")
        if isinstance(reply, list):
            payload, left = reply
            return Value(payload, left / 1000, started)
        coded = (Granted(token), Leased(), Bypass("writer-in-flight"), Bypass("wrong-type"), Failed())
        return coded[reply]

    def _answer(
        self, key: str, seen: Value | Granted | Bypass, compute: Callable[[], R], policy: Policy[R], *, waited: bool
    ) -> Answer[R]:
        if isinstance(seen, Granted):
            return self._fill(key, seen.token, compute, policy)
        if isinstance(seen, Value):
            try:
                return self._believed(seen, policy, waited=waited)
            except ValueError as error:
                seen = Bypass(str(error))
        if seen.reason in _DROPPED:
            self.region.count("poison")
            self.end(key)
        return Answer(compute(), Outcome.BYPASS, detail=seen.reason)

    def _believed(self, seen: Value, policy: Policy[R], *, waited: bool) -> Answer[R]:
        """Return a stored value. Raises ValueError with the reason why it is not to be believed."""
        if not 0 <= seen.left <= policy.ttl:
            raise ValueError("poison")  # we always give an entry a TTL, and never a longer one
        if seen.read_at - (policy.ttl - seen.left) < self._incarnation.first_met:
            raise ValueError("outlived")
        try:
            value = policy.codec.decode(seen.payload)
        except ValueError:
            self.guard.warn(Trouble.POISON)
            raise ValueError("poison") from None
        return Answer(value, Outcome.COLLAPSED if waited else Outcome.HIT, ttl=seen.left)

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
        return self.guard.call(run, self.client, script, key, *arguments)

    def _ping(self) -> bool:
        try:
            return bool(self.client.ping())
        except REDIS_ERRORS:
            return False

    def _deliver(self, key: str, token: str) -> bool:
        """Send an owed end past the breaker, which is still open."""
        try:
            run(self.client, "end", key, token)
        except REDIS_ERRORS as error:
            self.guard.note(error)
            return False
        self.region.count("delivered")
        return True


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
