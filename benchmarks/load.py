"""Visitors: keep-alive connections that ask one thing at a time, note when, and keep what came back.

For what a plain load generator cannot do (pace, change, check one answer against another), and in its place where wrk
is not installed; some ten thousand requests a second, several times what one worker answers.
"""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.arena import STATS, User
from local.server import LOOPBACK

__all__ = ["Answer", "Visitor", "change", "mean", "percentile", "read", "together"]

_SECONDS: Final = 60.0
_numbers: Final = itertools.count(1)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and when, in seconds on the monotonic clock; status 0 for nothing.

    Attributes:
        status: of HTTP.
        body: as sent.
        started: when the request was sent.
        ended: when the answer was complete.

    """

    status: int
    body: bytes
    started: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started

    def total(self) -> int:
        """Return the number of products it tells."""
        return int(json.loads(self.body)["all"])


def read(user: User) -> bytes:
    """Return the request for the breakdown of `user`."""
    return f"GET {STATS} HTTP/1.1\r\nHost: {LOOPBACK}\r\nAuthorization: Bearer {user.token}\r\n\r\n".encode()


def change(user: User) -> bytes:
    """Return the request that gives `user` one more product: each call another, as a title alone names a product."""
    body = f'{{"title": "Number {next(_numbers)}"}}'.encode()
    head = f"POST /products HTTP/1.1\r\nHost: {LOOPBACK}\r\nAuthorization: Bearer {user.token}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Visitor:
    """One connection to the server on `port`, opened when needed, and again when the server has closed it."""

    def __init__(self, port: int) -> None:
        """Open nothing yet."""
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send a request and return its answer; never raises for what the server does."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(_SECONDS):
                status, body = await self._exchange(request)
        except (OSError, EOFError, TimeoutError):
            self.leave()
            status, body = 0, b""
        return Answer(status, body, started, time.monotonic())

    async def arrive(self) -> None:
        """Open the connection now."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(LOOPBACK, self._port)

    def leave(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        await self.arrive()
        assert self._streams is not None  # noqa: S101 - for the type checker
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(_END)
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if b"\r\nconnection: close" in head.lower():
            self.leave()
        return int(head[9:12]), body


async def together(visitors: Sequence[Visitor], request: bytes) -> list[Answer]:
    """Let all visitors, already connected, ask the same thing at once."""
    await asyncio.gather(*(visitor.arrive() for visitor in visitors))
    return list(await asyncio.gather(*(visitor.ask(request) for visitor in visitors)))


def percentile(values: Iterable[float], percent: float) -> float:
    """Return what `percent` of the values do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] if ordered else 0.0


def mean(values: Sequence[float]) -> float:
    """Return the mean; 0 for none."""
    return sum(values) / len(values) if values else 0.0
