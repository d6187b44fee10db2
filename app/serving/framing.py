"""Tell from the bytes that have arrived whether a thread can take the request (RFC 9112 §2.1 and §6.3).

Only what must be known before a thread is spent is looked at. gunicorn's parser reads the request afterwards and
refuses what is not HTTP.
"""

import enum
import re
from typing import Final, NamedTuple

__all__ = ["BODY_BYTES", "HEAD_BYTES", "HEALTH", "TRANSFERS", "Arrived", "Kind", "arrived"]

HEAD_BYTES: Final = 32 << 10
"""A longer head is refused (431)."""

BODY_BYTES: Final = (64 << 10) - 1
"""A longer body is read by a thread. gunicorn skips an unread body and keeps the connection up to this size."""

HEALTH: Final = (b"GET /healthz", b"HEAD /healthz")
"""What the platform asks for to know whether the process lives."""

TRANSFERS: Final = (b"POST /products/import", b"GET /products/export", b"POST /desk/import", b"GET /desk/export")
"""Files, of any length: each takes a thread for long. The application reads no body before it knows whose it is."""

_HEALTH_LINES: Final = tuple(line + b" " for line in HEALTH)
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?=\r\n)")


class Kind(enum.Enum):
    """Which threads serve a request."""

    ORDINARY = enum.auto()
    """Any: it has arrived whole, and its answer is at hand."""

    HEALTH = enum.auto()
    """One of its own."""

    TRANSFER = enum.auto()
    """Half of them at most."""

    BODY = enum.auto()
    """A quarter at most: another request whose body is still to come. Anybody can send one, slowly."""


class Arrived(NamedTuple):
    """What a thread can take now.

    Attributes:
        kind: which threads.
        size: bytes, from the first one received.
        follows: whether the thread must read on from the connection.
        broken: whether its head is too long, or cannot end any more; the thread answers with an error.

    """

    kind: Kind
    size: int
    follows: bool = False
    broken: bool = False


def arrived(received: bytes | bytearray) -> Arrived | None:
    """Return what a thread can take of `received`, which begins with a request; None when more must arrive first."""
    end = received.find(_HEAD_END)
    if end < 0 or end > HEAD_BYTES:
        return _unfinished(received)
    head = received[: end + 2].lower()
    size = end + len(_HEAD_END)
    if b"\r\ncontent-length" not in head and b"\r\ntransfer-encoding" not in head and b"\r\nexpect" not in head:
        return Arrived(_kind(received), size)
    length = _declared_length(head)
    if length is not None and length <= BODY_BYTES:
        return Arrived(_kind(received), size + length) if len(received) >= size + length else None
    if length is not None and len(received) < size + BODY_BYTES:
        return None  # a client that sends a large body byte by byte gets no thread either
    kind = Kind.TRANSFER if received.startswith(TRANSFERS) else Kind.BODY
    return Arrived(kind, len(received), follows=True)


def _unfinished(received: bytes | bytearray) -> Arrived | None:
    """Tell a head that is still arriving from one that is too long or has a line that does not end with CRLF."""
    if len(received) > HEAD_BYTES:
        return Arrived(Kind.ORDINARY, HEAD_BYTES, broken=True)
    if received.count(b"\n") != received.count(b"\r\n"):
        return Arrived(Kind.ORDINARY, len(received), broken=True)
    return None


def _declared_length(head: bytes | bytearray) -> int | None:
    """Return the length of the body; None when it is not declared plainly, or when the client waits for a 100."""
    found = _LENGTH.findall(head)
    plain = len(found) == 1 and head.count(b"\r\ncontent-length") == 1
    if not plain or b"\r\ntransfer-encoding" in head or b"\r\nexpect" in head:
        return None
    return int(found[0])


def _kind(received: bytes | bytearray) -> Kind:
    if received.startswith(TRANSFERS):
        return Kind.TRANSFER
    return Kind.HEALTH if received.startswith(_HEALTH_LINES) else Kind.ORDINARY
