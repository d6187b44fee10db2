"""The writers' half of the cache protocol: begin, end, and owed deletes while Redis is unavailable."""

import logging
import time
from collections.abc import Callable

from app.caching.breaker import CircuitBreaker
from app.caching.connection import Link
from app.caching.errors import REDIS_ERRORS, CacheUnavailableError
from app.caching.events import Event
from app.caching.guard import Guard
from app.caching.identifiers import new_identifier
from app.caching.policy import Timing, milliseconds
from app.caching.scripts import run, run_for_each
from app.caching.shared import SharedRegion
from app.caching.states import NO_WRITER, Replacement, Writer

logger = logging.getLogger(__name__)


class WriterProtocol:
    """Announces writes to the entries of one Redis, and ends them. Never raises for Redis errors, except `drop`."""

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
            sleep: sleeps for a number of seconds: a reader while another reader holds the lease, and a writer whose end
                could not be delivered.
            clock: returns monotonic seconds.

        """
        self.client, self.max_connections = link.client, link.max_connections
        self.send_as_reader, self.usage = link.send_as_reader, link.usage
        self.timing, self.region = timing or Timing(), region or SharedRegion()
        self._link, self._sleep, self._clock = link, sleep, clock
        self.breaker = CircuitBreaker(ping=self._ping, deliver=self._deliver, region=self.region, clock=clock)
        self.guard = Guard(self.breaker, self.region, clock=clock)
        self._read_limits, self._writer_limits = self.timing.read_limits_ms, self.timing.writer_limits_ms

    def begin(self, key: str) -> Writer:
        """Add a writer to the entry, before the write starts. Return it for `end` or `outcome_unknown`.

        If the entry holds a value, readers are answered with it for `timing.overlap` seconds. The write may proceed if
        Redis cannot be reached: `end` then owes the delete.
        """
        token = new_identifier()
        try:
            deadline = self._announce(key, token)
        except CacheUnavailableError:
            self.region.count(Event.BEGIN_FAILED)
            return Writer(token)
        return Writer(token, deadline, self._clock())

    def end(self, key: str, writer: Writer = NO_WRITER, value: Replacement | None = None) -> None:
        """End the write of `writer`, once its outcome is known, or (without a writer) delete the value.

        With `value`, the entry holds this value afterwards, or the value of a later write. Without `value`, the value
        of the entry is deleted. This also happens if Redis did not confirm the begin, because the begin may still run
        at any time and keep a value from after the write.

        An end that cannot be delivered now is owed as a delete. Until it is delivered, this process bypasses the cache
        for all keys, and the other processes of this machine bypass it for this key. For other machines the call waits
        until readers no longer use the kept value, at most `timing.overlap` seconds after begin.
        """
        arguments: tuple[str | bytes | int, ...] = ()
        longest, overlap = self._writer_limits
        if value and writer.deadline:
            arguments = (writer.deadline, value.version, milliseconds(value.ttl), overlap, value.payload)
        try:
            self.guard.call(run, self._link.send_as_writer, "end", key, writer.token, longest, *arguments)
        except CacheUnavailableError:
            self.region.count(Event.OWED)
            self.breaker.owe(key, writer.token, lifetime=self.timing.owed)
            logger.debug("cache invalidation owed %s", key)
            self._outlast_overlap(writer)
        else:
            self.region.count(Event.INVALIDATED)
            logger.debug("cache invalidated %s", key)

    def outcome_unknown(self, key: str, writer: Writer) -> None:
        """Make all readers compute until the deadline of `writer`, which starts again, because its change may happen.

        If this cannot be delivered, the call waits until readers no longer use the kept value, as in `end`.
        """
        try:
            self._announce(key, writer.token, closing=True)
        except CacheUnavailableError:
            self._outlast_overlap(writer)

    def drop(self, keys: list[bytes], *, force: bool = False) -> int:
        """Invalidate many entries and return how many were deleted.

        Writers in flight stay in their entries, without a value: until a writer has ended, no reader may store the
        value that it changes. `force` deletes these entries too, like an eviction. A reader may then store a value
        without the change. This value stays until the writer ends. If the writer never ends, the value stays until its
        TTL.

        Raises:
            redis.RedisError: the server or the connection failed.

        """
        return sum(run_for_each(self._link, "end", keys, "", 0 if force else self._writer_limits[0]))

    def _announce(self, key: str, token: str, *, closing: bool = False) -> int:
        """Run the script `begin` and return the deadline of the writer. Raises CacheUnavailableError."""
        deadline: int = self.guard.call(
            run, self._link.send_as_writer, "begin", key, token, self._writer_limits[0], int(closing)
        )
        return deadline

    def _outlast_overlap(self, writer: Writer) -> None:
        """Wait until no reader is answered with the value that the begin of `writer` kept."""
        left = writer.since + self.timing.overlap - self._clock()
        if writer.deadline and left > 0:
            self._sleep(left)

    def _ping(self) -> bool:
        try:
            return bool(self.client.ping())
        except REDIS_ERRORS:
            return False

    def _deliver(self, key: str, token: str) -> bool:
        """Send an owed delete. This call does not go through the breaker, which is still open."""
        try:
            run(self._link.send_as_writer, "end", key, token, self._writer_limits[0])
        except REDIS_ERRORS as error:
            self.guard.record(error)
            return False
        self.region.count(Event.DELIVERED)
        return True
