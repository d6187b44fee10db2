"""The cache protocol: leases for readers, tombstones for writers, deletes owed when Redis is away.

Promise: a read that starts after a change was acknowledged never returns a value computed before that change. How, and
what is left out, is argued in docs/cache-protocol.md.

Sources: leases, R. Nishtala et al., *Scaling Memcache at Facebook*, NSDI 2013, section 3.2.1; set of in-flight writers
in the entry, our own measurement of the alternatives (docs/cache-protocol.md).
"""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from redis import Redis

from app.caching.breaker import CircuitBreaker
from app.caching.codec import Codec
from app.caching.counters import Counters
from app.caching.guard import REDIS_ERRORS, CacheUnavailableError, Guard, Trouble
from app.caching.states import Answer, Bypass, Granted, Leased, Outcome, Value

logger = logging.getLogger(__name__)

R = TypeVar("R")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05
_REASONS = {2: "writer-in-flight", 3: "wrong-type"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things may take, in seconds: lease > wait > p99 of the computation; writer > the slowest commit."""

    lease: float = 5.0
    wait: float = 2.0
    writer: float = 30.0


class LeaseProtocol:
    """Reads, fills and invalidates entries of one Redis by the protocol. Never raises for Redis trouble."""

    def __init__(
        self,
        client: Redis,
        *,
        timing: Timing | None = None,
        breaker_interval: float = 0.25,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Work on `client`; `clock` (monotonic seconds) and `sleep` time the wait for another reader's lease."""
        self.client, self.timing = client, timing or Timing()
        self._sleep, self._clock = sleep, clock
        self.counters = Counters()
        self.breaker = CircuitBreaker(ping=self._ping, deliver=self._deliver, interval=breaker_interval)
        self.guard = Guard(self.breaker, self.counters)
        folder = Path(__file__).parent / "lua"
        self._scripts: dict[str, Callable[..., Any]] = {
            file.stem: client.register_script(file.read_text("utf-8")) for file in sorted(folder.glob("*.lua"))
        }

    def fetch(self, key: str, compute: Callable[[], R], *, codec: Codec[R], ttl: float) -> Answer[R]:
        """Return the entry's value, or compute it: once per herd, stored for `ttl` seconds if no writer interferes.

        Raises:
            Exception: only what `compute` raises.

        """
        seen, waited = self._settle(key)
        answer = self._answer(key, seen, compute, codec=codec, ttl=ttl, waited=waited)
        self.counters.count(answer.outcome)
        logger.debug("cache %s %s%s", answer.outcome, key, f" ({answer.detail})" if answer.detail else "")
        return answer

    def begin(self, key: str) -> str:
        """Announce a write that is about to start; return the writer's token for `end`.

        An unreachable Redis does not stop the write: `end` will then owe the delete.
        """
        token = _token()
        try:
            self._run("begin", key, token, _ms(self.timing.writer))
        except CacheUnavailableError:
            self.counters.count("begin-failed")
        return token

    def end(self, key: str, token: str = "") -> None:
        """Invalidate `key`: the writer `token` has its outcome, or (no token) somebody just wants the value gone.

        What cannot be delivered now is owed: this process answers from the database until it is, or until nothing
        stored before can be left.
        """
        try:
            self._run("end", key, token)
        except CacheUnavailableError:
            self.counters.count("owed")
            self.breaker.owe(key, token, lifetime=self.timing.writer)
            logger.debug("cache invalidation owed %s", key)
        else:
            self.counters.count("invalidated")
            logger.debug("cache invalidated %s", key)

    def drop(self, keys: list[bytes]) -> int:
        """Invalidate many entries in one round trip and return how many are gone. Raises redis.RedisError."""
        pipeline = self.client.pipeline(transaction=False)
        for key in keys:
            self._scripts["end"]((key,), ("",), client=pipeline)
        return sum(pipeline.execute())

    def _settle(self, key: str) -> tuple[Value | Granted | Bypass, bool]:
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
                self.counters.count("waits")
            if now >= deadline:
                return Bypass("wait-timeout"), True
            self._sleep(min(pause, deadline - now))
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _read(self, key: str) -> Value | Granted | Leased | Bypass:
        token = _token()
        try:
            reply = self._run("read", key, token, _ms(self.timing.lease))
        except CacheUnavailableError as error:
            if error.trouble is Trouble.TIMEOUT:  # it may still run, and would then lease the entry to nobody
                self.breaker.owe(key, token, lifetime=self.timing.lease)
            return Bypass(f"redis-{error.trouble.label}")
        if isinstance(reply, list):
            payload, left = cast("tuple[bytes, int]", reply)
            return Value(payload, None if left < 0 else left / 1000)
        if reply == 0:
            return Granted(token)
        return Leased() if reply == 1 else Bypass(_REASONS[reply])

    def _answer(  # noqa: PLR0913 - what a read needs to become an answer
        self,
        key: str,
        seen: Value | Granted | Bypass,
        compute: Callable[[], R],
        *,
        codec: Codec[R],
        ttl: float,
        waited: bool,
    ) -> Answer[R]:
        if isinstance(seen, Granted):
            return self._fill(key, seen.token, compute, codec=codec, ttl=ttl)
        if isinstance(seen, Value):
            try:
                return Answer(codec.decode(seen.payload), Outcome.COLLAPSED if waited else Outcome.HIT, ttl=seen.ttl)
            except ValueError:
                seen = Bypass("poison")
        if seen.reason in {"poison", _REASONS[3]}:
            logger.warning("cache entry %s holds something this cache never wrote; dropping it", key)
            self.end(key)
        return Answer(compute(), Outcome.BYPASS, detail=seen.reason)

    def _fill(self, key: str, token: str, compute: Callable[[], R], *, codec: Codec[R], ttl: float) -> Answer[R]:
        try:
            value = compute()
        except BaseException:
            self._abandon(key, token)
            raise
        try:
            payload = codec.encode(value)
        except (TypeError, ValueError):
            self._abandon(key, token)
            return Answer(value, Outcome.BYPASS, detail="unserialisable")
        try:
            stored = self._run("fill", key, token, payload, _ms(ttl))
        except CacheUnavailableError as error:
            return Answer(value, Outcome.BYPASS, detail=f"redis-{error.trouble.label}")
        return Answer(value, Outcome.STORED, ttl=ttl) if stored else Answer(value, Outcome.REJECTED)

    def _abandon(self, key: str, token: str) -> None:
        try:
            self._run("abandon", key, token)
        except CacheUnavailableError:
            logger.debug("lease on %s left to run out", key)

    def _run(self, script: str, key: str, *arguments: str | bytes | int) -> Any:  # noqa: ANN401 - a Redis reply
        return self.guard.call(lambda: self._scripts[script]((key,), arguments))

    def _ping(self) -> bool:
        try:
            return bool(self.client.ping())
        except REDIS_ERRORS:
            return False

    def _deliver(self, key: str, token: str) -> bool:
        """Send an owed end past the breaker, which is still open."""
        try:
            self._scripts["end"]((key,), (token,))
        except REDIS_ERRORS as error:
            self.guard.note(error)
            return False
        self.counters.count("delivered")
        return True


def _token() -> str:
    return secrets.token_hex(8)


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
