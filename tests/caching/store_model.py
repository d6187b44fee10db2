"""An exact model of the five scripts, as pure functions of one entry; `test_store_model` holds them equal to the Lua.

Times are milliseconds. A command takes the entry (None: absent), the server's clock and the script's ARGV, and returns
the script's reply and the entry it leaves.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

LEASE: Final = b"lease:"
TOMBSTONE: Final = b"dirty:"
FAILURE: Final = b"fail:"
_WRITER: Final = re.compile(rb"([^,@]+)@(\d+)")


class Entry(NamedTuple):
    """What a key holds: a string (None: some other data type) until `expires` on the server's clock (None: never)."""

    content: bytes | None
    expires: int | None


Reply = int | tuple[bytes, int]
Step = tuple[Reply, Entry | None]
Command = Callable[..., Step]


def writers(entry: Entry | None) -> list[tuple[bytes, int]]:
    """Return the writers of a tombstone with their deadlines, the latest to begin first; none for anything else."""
    content = (entry and entry.content) or b""
    if not content.startswith(TOMBSTONE):
        return []
    return [(token, int(deadline)) for token, deadline in _WRITER.findall(content.removeprefix(TOMBSTONE))]


def tombstone(waiting: list[tuple[bytes, int]]) -> Entry:
    """Return the tombstone of these writers; it stands until the last deadline."""
    content = TOMBSTONE + b",".join(b"%b@%d" % writer for writer in waiting)
    return Entry(content, max(deadline for _, deadline in waiting))


def read(entry: Entry | None, now: int, token: bytes, lease: int) -> Step:
    """Read an entry, or take the lease to compute it."""
    if entry is None:
        return 0, Entry(LEASE + token, now + lease)
    if entry.content is None:
        return 3, entry
    for start, reply in ((LEASE, 1), (TOMBSTONE, 2), (FAILURE, 4)):
        if entry.content[:6] == start:
            return reply, entry
    return (entry.content, -1 if entry.expires is None else entry.expires - now), entry


def fill(entry: Entry | None, now: int, token: bytes, payload: bytes, life: int) -> Step:
    """Store a payload while its lease stands."""
    return (1, Entry(payload, now + life)) if _leased_to(token, entry) else (0, entry)


def abandon(entry: Entry | None, _now: int, token: bytes) -> Step:
    """Give a lease back."""
    return (1, None) if _leased_to(token, entry) else (0, entry)


def begin(entry: Entry | None, now: int, token: bytes, life: int) -> Step:
    """Announce a writer."""
    waiting = [(token, now + life), *_others(entry, now, token)]
    return len(waiting), tombstone(waiting)


def end(entry: Entry | None, now: int, token: bytes) -> Step:
    """Invalidate an entry, other writers' announcements excepted."""
    waiting = _others(entry, now, token)
    return (0, tombstone(waiting)) if waiting else (int(entry is not None), None)


def _leased_to(token: bytes, entry: Entry | None) -> bool:
    return entry is not None and entry.content == LEASE + token


def _others(entry: Entry | None, now: int, token: bytes) -> list[tuple[bytes, int]]:
    return [(other, deadline) for other, deadline in writers(entry) if deadline > now and other != token]


COMMANDS: Final[Mapping[str, Command]] = {"read": read, "fill": fill, "abandon": abandon, "begin": begin, "end": end}


def run(commands: Mapping[str, Command], name: str, entry: Entry | None, now: int, arguments: tuple[Any, ...]) -> Step:
    """Run one command on an entry, which is gone when its time has come."""
    alive = entry if entry is None or entry.expires is None or entry.expires > now else None
    return commands[name](alive, now, *arguments)
