"""The fields of Redis's INFO with labels and units, in groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.desk.wording import counted

_GROUPS: Final = {
    "Server": {
        "valkey_version": "Valkey version",
        "server_name": "Name",
        "redis_version": "Redis version it is compatible with",
        "redis_mode": "Mode",
        "role": "Role",
        "uptime_in_seconds": "Running for",
        "loading": "Loading its data set",
    },
    "Memory": {
        "used_memory_human": "Used",
        "used_memory": "Used, in bytes",
        "used_memory_peak_human": "Highest use",
        "used_memory_peak": "Highest use, in bytes",
        "maxmemory_human": "Limit",
        "maxmemory": "Limit, in bytes",
        "maxmemory_policy": "When it is full",
        "mem_fragmentation_ratio": "Fragmentation ratio",
    },
    "Clients": {
        "connected_clients": "Connected",
        "blocked_clients": "Blocked",
        "maxclients": "At most",
        "rejected_connections": "Rejected connections",
    },
    "Traffic of all clients": {
        "instantaneous_ops_per_sec": "Commands per second",
        "total_commands_processed": "Commands",
        "keyspace_hits": "Lookups that found a key",
        "keyspace_misses": "Lookups that found none",
        "expired_keys": "Expired keys",
        "evicted_keys": "Evicted keys",
    },
}
_FLAGS: Final = {"loading": {0: "No", 1: "Yes"}}
_UNLIMITED: Final = {"maxmemory", "maxmemory_human"}


@dataclass(frozen=True, slots=True)
class Group:
    """A group of facts: its title, and for each the label, the value and the name of the field."""

    title: str
    facts: list[tuple[str, str, str]]


def server_facts(info: Mapping[str, Any]) -> list[Group]:
    """Return the fields that the server reports. Groups without one are left out."""
    unlimited = not info.get("maxmemory")
    groups = []
    for title, labels in _GROUPS.items():
        facts = [
            (label, "None" if unlimited and name in _UNLIMITED else _readable(name, info[name]), name)
            for name, label in labels.items()
            if name in info
        ]
        groups += [Group(title, facts)] if facts else []
    return groups


def _readable(name: str, value: Any) -> str:  # noqa: ANN401 - INFO has texts, integers and decimals
    if name in _FLAGS:
        return _FLAGS[name].get(value, str(value))
    if name == "uptime_in_seconds":
        return _duration(int(value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _duration(seconds: int) -> str:
    """Return a duration in its two largest units, such as 3 days 4 hours."""
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    parts = [(days, "day"), (hours, "hour"), (minutes, "minute"), (seconds % 60, "second")]
    first = next((at for at, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return " ".join(counted(number, unit) for number, unit in parts[first : first + 2] if number or unit == "second")
