"""How long things may take, and so how long what they leave in Redis may stand."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things may take, in seconds; the same for all engines that share entries.

    lease > wait > p99 of the computation; writer > the slowest commit; owed > lease + the longest TTL: after it nothing
    that was computed before a change can be left in Redis. A mark in Redis that would stand longer than these is not
    believed. Where engines differ, the one with the shorter times takes the marks of the other for planted ones: that
    is as if they were evicted.
    """

    lease: float = 5.0
    wait: float = 2.0
    writer: float = 30.0
    owed: float = 30.0

    @property
    def longest_ms(self) -> tuple[int, int, int]:
        """How long a lease, a tombstone and a failure may stand, in milliseconds."""
        return milliseconds(self.lease), milliseconds(self.writer), milliseconds(self.wait)


def milliseconds(seconds: float) -> int:
    """Return `seconds` in milliseconds, at least one: Redis takes no TTL of 0."""
    return max(1, round(seconds * 1000))
