"""Decide from the arrived bytes whether a request can be given to a thread (RFC 9112 §2.1 and §6.3).

This reads only what the decision needs. gunicorn's parser reads the request afterwards and rejects invalid HTTP.
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
"""The health check of the platform."""

TRANSFERS: Final = (b"POST /products/import", b"GET /products/export", b"POST /desk/import", b"GET /desk/export")
"""File transfers of any length, which occupy a thread for long. The application identifies the caller first."""

_SAFE: Final = (b"GET ", b"HEAD ", b"OPTIONS ")
_HEALTH_LINES: Final = tuple(line + b" " for line in HEALTH)
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?=\r\n)")


class Kind(enum.Enum):
    """Which threads serve a request."""

    ORDINARY = enum.auto()
    """Any thread: the request has arrived completely, and its response is short."""

    HEALTH = enum.auto()
    """A thread of its own."""

    TRANSFER = enum.auto()
    """At most half of the threads."""

    CHANGE = enum.auto()
    """All threads but two: a request that may change data and may therefore wait for the database."""

    BODY = enum.auto()
    """At most a quarter of the threads: another request with a body that is still arriving, maybe slowly."""


class Arrived(NamedTuple):
    """The part of a request that can be given to a thread.

    Attributes:
        kind: the threads that may serve it.
        size: number of received bytes that belong to it.
        follows: whether the thread must read the rest from the connection.
        broken: whether the head is too long or malformed, so that the thread answers with an error.

    """

    kind: Kind
    size: int
    follows: bool = False
    broken: bool = False


def arrived(received: bytes | bytearray) -> Arrived | None:
    """Return the part of `received` that a thread can serve; None if more bytes are needed."""
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
        return None  # wait: a client that sends a large body slowly must not occupy a thread
    kind = Kind.TRANSFER if received.startswith(TRANSFERS) else Kind.BODY
    return Arrived(kind, len(received), follows=True)


def _unfinished(received: bytes | bytearray) -> Arrived | None:
    """Return None for an incomplete head, or a broken request if it is too long or a line does not end with CRLF."""
    if len(received) > HEAD_BYTES:
        return Arrived(Kind.ORDINARY, HEAD_BYTES, broken=True)
    if received.count(b"\n") != received.count(b"\r\n"):
        return Arrived(Kind.ORDINARY, len(received), broken=True)
    return None


def _declared_length(head: bytes | bytearray) -> int | None:
    """Return the declared length of the body; None if it is missing, ambiguous, or the client expects status 100."""
    found = _LENGTH.findall(head)
    plain = len(found) == 1 and head.count(b"\r\ncontent-length") == 1
    if not plain or b"\r\ntransfer-encoding" in head or b"\r\nexpect" in head:
        return None
    return int(found[0])


def _kind(received: bytes | bytearray) -> Kind:
    if received.startswith(TRANSFERS):
        return Kind.TRANSFER
    if received.startswith(_SAFE):
        return Kind.HEALTH if received.startswith(_HEALTH_LINES) else Kind.ORDINARY
    return Kind.CHANGE
