"""An exact model of the five scripts, as pure functions of one entry. `test_store_model` compares it with the Lua code.

Times are milliseconds. A command takes the entry (None: absent), the server's clock and the script's ARGV, and returns
the script's reply and the entry it leaves.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

LEASE: Final = b"lease:"
TOMBSTONE: Final = b"dirty:"
FAILURE: Final = b"fail:"
LONGEST_MARK: Final = 65_536
"""Maximum length in bytes of a lease, tombstone or failure mark. The scripts discard anything longer."""
LONGEST_VALUE: Final = 1 << 20
"""Maximum length in bytes of a value."""
_WRITER: Final = re.compile(rb"([^@]+)@(\d+)")


class Entry(NamedTuple):
    """The content of a key, and when it expires on the server's clock (None: never).

    The content is None for a key that does not hold a string.
    """

    content: bytes | None
    expires: int | None


Reply = int | tuple[bytes, int]
CommandResult = tuple[Reply, Entry | None]
Command = Callable[..., CommandResult]


def writers(entry: Entry | None) -> list[tuple[bytes, int]]:
    """Return a tombstone's writers and their deadlines, latest begin first. For any other entry the list is empty."""
    content = (entry and entry.content) or b""
    if not content.startswith(TOMBSTONE):
        return []
    found = map(_WRITER.fullmatch, content.removeprefix(TOMBSTONE).split(b","))
    return [(writer[1], int(writer[2])) for writer in found if writer]


def tombstone(waiting: list[tuple[bytes, int]]) -> Entry:
    """Return the tombstone of these writers. It expires at the last deadline."""
    content = TOMBSTONE + b",".join(b"%b@%d" % writer for writer in waiting)
    return Entry(content, max(deadline for _, deadline in waiting))


def read(entry: Entry | None, now: int, token: bytes, lease: int, writer: int, failure: int) -> CommandResult:  # noqa: PLR0913, PLR0917 - KEYS and ARGV
    """Read an entry. If it is absent, take the lease for computing it."""
    if entry is None:
        return 0, Entry(LEASE + token, now + lease)
    if entry.content is None:
        return 3, entry
    left = -1 if entry.expires is None else entry.expires - now
    for start, reply, longest in ((LEASE, 1, lease), (TOMBSTONE, 2, writer), (FAILURE, 4, failure)):
        if entry.content[:6] == start:
            accepted = 0 <= left <= longest and len(entry.content) <= LONGEST_MARK
            return reply if accepted else 5, entry
    return (entry.content, left) if len(entry.content) <= LONGEST_VALUE else 5, entry


def fill(entry: Entry | None, now: int, token: bytes, payload: bytes, life: int) -> CommandResult:
    """Store a payload if the entry is still the caller's lease."""
    return (1, Entry(payload, now + life)) if _leased_to(token, entry) else (0, entry)


def abandon(entry: Entry | None, _now: int, token: bytes) -> CommandResult:
    """Delete the caller's lease."""
    return (1, None) if _leased_to(token, entry) else (0, entry)


def begin(entry: Entry | None, now: int, token: bytes, life: int) -> CommandResult:
    """Announce a writer in the tombstone."""
    waiting = [(token, now + life), *_others(entry, now, token, life)]
    return len(waiting), tombstone(waiting)


def end(entry: Entry | None, now: int, token: bytes, life: int) -> CommandResult:
    """Remove the caller from the tombstone, or delete the entry if no other writer is announced."""
    waiting = _others(entry, now, token, life)
    return (0, tombstone(waiting)) if waiting else (int(entry is not None), None)


def _leased_to(token: bytes, entry: Entry | None) -> bool:
    return entry is not None and entry.content == LEASE + token


def _others(entry: Entry | None, now: int, token: bytes, life: int) -> list[tuple[bytes, int]]:
    """Return the other writers in flight, without those whose deadlines this protocol cannot have set."""
    if entry and entry.content and len(entry.content) > LONGEST_MARK:
        return []
    return [(other, at) for other, at in writers(entry) if now < at <= now + life and other != token]


COMMANDS: Final[Mapping[str, Command]] = {"read": read, "fill": fill, "abandon": abandon, "begin": begin, "end": end}


def run(
    commands: Mapping[str, Command], name: str, entry: Entry | None, now: int, arguments: tuple[Any, ...]
) -> CommandResult:
    """Run one command on an entry. An expired entry counts as absent."""
    alive = entry if entry is None or entry.expires is None or entry.expires > now else None
    return commands[name](alive, now, *arguments)
