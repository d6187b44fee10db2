"""An exact model of the scripts, as pure functions of one entry. `test_store_model` compares it with the Lua code.

Times are milliseconds. A command takes the entry (None: absent), the server's clock and the script's ARGV, and returns
the script's reply and the entry it leaves.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

LEASE: Final = b"lease:"
WRITING: Final = b"write:"
FAILURE: Final = b"fail:"
LONGEST_MARK: Final = 65_536
"""Maximum length in bytes of a mark, without the value that it keeps. The scripts discard anything longer."""
LONGEST_VALUE: Final = 1 << 20
"""Maximum length in bytes of a value."""
_HEADER: Final = re.compile(rb"write:([a-z]+) (\S+) (\d+) (\d+) ")
_WRITER: Final = re.compile(rb"([^@]+)@(\d+)")


class Entry(NamedTuple):
    """The content of a key, and when it expires on the server's clock (None: never).

    The content is None for a key that does not hold a string.
    """

    content: bytes | None
    expires: int | None


class Writing(NamedTuple):
    """The content of an entry with writers in flight; see `lua/writing.lua`. `writers` are tokens with deadlines."""

    use: bytes
    writers: tuple[tuple[bytes, int], ...] = ()
    expires: int = 0
    version: int = 0
    value: bytes = b""

    def entry(self) -> Entry:
        """Return the entry. It expires at the last deadline."""
        listed = b",".join(b"%b@%d" % writer for writer in self.writers)
        content = b"write:%b %b %d %d %b" % (self.use, listed, self.expires, self.version, self.value)
        return Entry(content, max(deadline for _, deadline in self.writers))

    def closed(self) -> "Writing":
        """Return the writers without the value."""
        return Writing(b"closed", self.writers)


Reply = int | tuple[bytes, int, int]
CommandResult = tuple[Reply, Entry | None]
Command = Callable[..., CommandResult]


@lru_cache(maxsize=4096)  # the exploration parses the same contents again and again
def writing(content: bytes | None) -> Writing | None:
    """Return the parts of a well-formed entry with writers in flight; None for any other content."""
    header = _HEADER.match((content or b"")[:LONGEST_MARK])
    if not content or not header or len(content) - header.end() > LONGEST_VALUE:
        return None
    found = [(each, _WRITER.fullmatch(each)) for each in header[2].split(b",") if each]
    listed = tuple((parts[1], int(parts[2])) if parts else (each, 0) for each, parts in found)
    return Writing(header[1], listed, int(header[3]), int(header[4]), content[header.end() :])


def parse(content: bytes | None, now: int, longest: int) -> Writing | None:
    """Return the parts of an entry as the scripts do: without expired writers, which close it, and implausible ones."""
    found = writing(content)
    if found is None:
        return None
    alive = tuple((token, at) for token, at in found.writers if now < at <= now + longest)
    whole = found.use in (b"serving", b"collecting") and alive == found.writers != ()
    return found._replace(writers=alive) if whole else Writing(b"closed", alive)


def paused(found: Writing, now: int, longest: int, overlap: int) -> bool:
    """Return whether readers must not use the value although the entry is serving."""
    first = min((at for _, at in found.writers), default=1 << 62)
    return found.expires <= now or first - longest + overlap <= now


def _is_value(content: bytes | None) -> bool:
    return content is not None and content[:6] not in (LEASE, WRITING) and content != FAILURE


def _find(entry: Entry, now: int, longest: int, overlap: int) -> Reply:
    content = entry.content or b""
    left = -1 if entry.expires is None else entry.expires - now
    if content[:6] != WRITING:
        return (content, left, 0) if len(content) <= LONGEST_VALUE else 5
    found = parse(content, now, longest) if 0 <= left <= longest else None
    if found is None:
        return 5
    if found.use != b"serving" or paused(found, now, longest, overlap):
        return 2
    return found.value, found.expires - now, len(found.writers)


def read(  # noqa: PLR0913, PLR0917 - KEYS and ARGV
    entry: Entry | None, now: int, token: bytes, lease: int, writer: int, failure: int, overlap: int
) -> CommandResult:
    """Read an entry. If it is absent, take the lease for computing it."""
    if entry is None:
        return 0, Entry(LEASE + token, now + lease)
    if entry.content is None:
        return 3, entry
    left = -1 if entry.expires is None else entry.expires - now
    if entry.content[:6] == LEASE or entry.content == FAILURE:
        reply, longest = (1, lease) if entry.content[:6] == LEASE else (4, failure)
        return reply if 0 <= left <= longest and len(entry.content) <= LONGEST_MARK else 5, entry
    return _find(entry, now, writer, overlap), entry


def peek(entry: Entry | None, now: int, longest: int, overlap: int) -> CommandResult:
    """Read the value that a reader finds now, without taking a lease."""
    if entry is None or not (_is_value(entry.content) or (entry.content or b"")[:6] == WRITING):
        return 0, entry
    found = _find(entry, now, longest, overlap)
    return found if isinstance(found, tuple) else 0, entry


def fill(  # noqa: PLR0913, PLR0917 - KEYS and ARGV
    entry: Entry | None, now: int, token: bytes, longest: int, overlap: int, payload: bytes, life: int
) -> CommandResult:
    """Store a payload if the entry is still the caller's lease."""
    if _leased_to(token, entry):
        return 1, Entry(payload, now + life)
    return peek(entry, now, longest, overlap)


def abandon(entry: Entry | None, now: int, token: bytes, longest: int, overlap: int) -> CommandResult:
    """Delete the caller's lease."""
    return (1, None) if _leased_to(token, entry) else peek(entry, now, longest, overlap)


def begin(entry: Entry | None, now: int, token: bytes, life: int, closing: int) -> CommandResult:
    """Announce a writer, and keep the value beside it."""
    content = entry and entry.content
    found = Writing(b"collecting")
    if content and content[:6] == WRITING:
        found = parse(content, now, life) or Writing(b"closed")
        if token in dict(found.writers):
            found = found.closed()
    elif entry and content is not None and _is_value(content) and len(content) <= LONGEST_VALUE:
        left = -1 if entry.expires is None else entry.expires - now
        found = Writing(b"serving", (), now + left, 0, content) if left > 0 else found
    found = found.closed() if closing else found
    others = tuple(writer for writer in found.writers if writer[0] != token)
    return now + life, found._replace(writers=((token, now + life), *others)).entry()


def end(  # noqa: PLR0913, PLR0917 - KEYS and ARGV
    entry: Entry | None,
    now: int,
    token: bytes,
    longest: int,
    deadline: int | None = None,
    version: int = 0,
    ttl: int = 0,
    overlap: int = 0,
    payload: bytes = b"",
) -> CommandResult:
    """Remove the caller. Put its value into the entry, if it is newer, or close the entry."""
    found = parse(entry and entry.content, now, longest)
    if entry is None or found is None:
        return int(entry is not None), None
    own = dict(found.writers).get(token)
    if deadline is None or own != deadline:
        found = found.closed()
    elif found.use != b"closed":
        if paused(found, now, longest, overlap):
            found = found._replace(use=b"collecting")
        if version > found.version:
            found = found._replace(version=version, value=payload, expires=own - longest + ttl)
    others = tuple(writer for writer in found.writers if writer[0] != token)
    if others:
        return 0, found._replace(writers=others).entry()
    return (2, Entry(found.value, found.expires)) if found.expires > now else (1, None)


def _leased_to(token: bytes, entry: Entry | None) -> bool:
    return entry is not None and entry.content == LEASE + token


COMMANDS: Final[Mapping[str, Command]] = {
    "read": read,
    "peek": peek,
    "fill": fill,
    "abandon": abandon,
    "begin": begin,
    "end": end,
}


def run(
    commands: Mapping[str, Command], name: str, entry: Entry | None, now: int, arguments: tuple[Any, ...]
) -> CommandResult:
    """Run one command on an entry. An expired entry counts as absent."""
    alive = entry if entry is None or entry.expires is None or entry.expires > now else None
    return commands[name](alive, now, *arguments)
