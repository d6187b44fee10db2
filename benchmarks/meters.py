"""Measure what a server has used so far: processor time and memory from /proc, Redis traffic from Valkey's INFO."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from redis import Redis

__all__ = ["HAVE_PROC", "RedisUse", "cpu_seconds", "members", "worker_megabytes"]

HAVE_PROC: Final = Path("/proc/self/stat").exists()
"""Whether this system has /proc (Linux)."""

_TICK: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class RedisUse:
    """The resources that Valkey has used so far. `since` subtracts the cost of the measurement itself.

    Attributes:
        round_trips: number of reads from client connections; a script or a pipeline counts as one.
        received: bytes received.
        sent: bytes sent.
        cpu: processor seconds.

    """

    round_trips: float
    received: float
    sent: float
    cpu: float

    @classmethod
    def read(cls, redis: Redis) -> Self:
        """Read the current values."""
        info: dict[str, Any] = redis.info("everything")
        cpu = info["used_cpu_sys"] + info["used_cpu_user"]
        return cls(info["total_reads_processed"], info["total_net_input_bytes"], info["total_net_output_bytes"], cpu)

    def since(self, before: Self, *, requests: int) -> Self:
        """Return the use since `before`, divided by the number of `requests`."""
        own_reads, own_received, own_sent = 1, 30, 7000  # the approximate cost of our own INFO command
        return type(self)(
            max(0, self.round_trips - before.round_trips - own_reads) / requests,
            max(0, self.received - before.received - own_received) / requests,
            max(0, self.sent - before.sent - own_sent) / requests,
            (self.cpu - before.cpu) / requests,
        )


def members(group: int) -> list[int]:
    """Return the process ids of a process group."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _group(entry) == group]


def cpu_seconds(group: int) -> float:
    """Return the processor seconds that the running processes of a group have used."""
    return sum(sum(map(int, _fields(Path(f"/proc/{pid}"))[11:13])) for pid in members(group)) / _TICK


def worker_megabytes(group: int) -> float:
    """Return the resident memory of the group's largest process, which is a worker."""
    return max(_resident(pid) for pid in members(group)) / 1e6


def _fields(process: Path) -> list[str]:
    """Return the fields of /proc/<pid>/stat that follow the process name. Return zeros for a process that has ended."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["Z", "0", "0", *["0"] * 47]


def _group(process: Path) -> int:
    return int(_fields(process)[2])


def _resident(pid: int) -> int:
    return int(_fields(Path(f"/proc/{pid}"))[21]) * os.sysconf("SC_PAGE_SIZE")
