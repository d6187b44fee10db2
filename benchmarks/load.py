"""HTTP clients with one keep-alive connection each, which record every answer with its times.

They do what a plain load generator cannot: send at a fixed pace, send changes, compare answers with each other. They
also replace wrk where it is not installed. They send about 10 000 requests per second, several times the rate of one
worker.
"""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.environment import STATS, User
from local.server import LOOPBACK

__all__ = ["Answer", "LoadClient", "change", "delete_deal", "edit_deal", "mean", "percentile", "read", "send_together"]

_SECONDS: Final = 60.0
_numbers: Final = itertools.count(1)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and its times, in seconds of the monotonic clock.

    Attributes:
        status: the HTTP status; 0 if there was no answer.
        body: the body.
        started: the time when the request was sent.
        ended: the time when the answer was complete.

    """

    status: int
    body: bytes
    started: float
    ended: float

    @property
    def seconds(self) -> float:
        """The latency."""
        return self.ended - self.started

    def total(self) -> int:
        """Return the number of products in the breakdown."""
        return int(json.loads(self.body)["all"])


def read(user: User) -> bytes:
    """Return an HTTP request for the breakdown of `user`."""
    return _head(user, f"GET {STATS}") + b"\r\n"


def change(user: User) -> bytes:
    """Return an HTTP request that creates a product for `user`. Each call uses a new title, so the product is new."""
    return _with_body(user, "POST /products", {"title": f"Number {next(_numbers)}"})


def edit_deal(user: User, deal_id: str, **fields: str | int) -> bytes:
    """Return an HTTP request that changes fields of a deal."""
    return _with_body(user, f"PATCH /products/deal/{deal_id}", fields)


def delete_deal(user: User, deal_id: str) -> bytes:
    """Return an HTTP request that deletes a deal."""
    return _head(user, f"DELETE /products/deal/{deal_id}") + b"\r\n"


def _head(user: User, action: str) -> bytes:
    return f"{action} HTTP/1.1\r\nHost: {LOOPBACK}\r\nAuthorization: Bearer {user.token}\r\n".encode()


def _with_body(user: User, action: str, fields: dict[str, Any]) -> bytes:
    body = json.dumps(fields).encode()
    return _head(user, action) + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


class LoadClient:
    """A client with one connection to the server on `port`. It opens the connection when needed and reconnects."""

    def __init__(self, port: int) -> None:
        """Set the port; the connection is opened later."""
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> Answer:
        """Send a request and return its answer. Connection errors and time-outs give an answer with status 0."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(_SECONDS):
                status, body = await self._exchange(request)
        except (OSError, EOFError, TimeoutError):
            self.close()
            status, body = 0, b""
        return Answer(status, body, started, time.monotonic())

    async def connect(self) -> None:
        """Open the connection now."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(LOOPBACK, self._port)

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        await self.connect()
        assert self._streams is not None  # noqa: S101 - for the type checker
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(_END)
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if b"\r\nconnection: close" in head.lower():
            self.close()
        return int(head[9:12]), body


async def send_together(clients: Sequence[LoadClient], request: bytes) -> list[Answer]:
    """Connect all clients, then send the same request from all of them at the same time."""
    await asyncio.gather(*(client.connect() for client in clients))
    return list(await asyncio.gather(*(client.send(request) for client in clients)))


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the percentile of the values; 0 if there are none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] if ordered else 0.0


def mean(values: Sequence[float]) -> float:
    """Return the mean of the values; 0 if there are none."""
    return sum(values) / len(values) if values else 0.0
