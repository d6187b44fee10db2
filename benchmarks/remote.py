"""Simulate a remote Supabase: a proxy that delays each call and counts the calls per caller.

It runs in its own process: `python -m benchmarks.remote <listening fd> <upstream port> <delay, seconds>`. Half of the
delay is added before the call and half before the answer, as on a real network.
"""

import asyncio
import json
import os
import re
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import ClassVar, Final

import httpx

from local import ROOT
from local.processes import ChildProcess
from local.server import LOOPBACK, Server

__all__ = ["RemoteDatabase"]

_CALL: Final = re.compile(rb"POST /([\w-]+)(/rest/v1/rpc/(\w+) )")
_NO_WORD: Final = re.compile(r"\W+")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END: Final = b"\r\n\r\n"


class RemoteDatabase(Server):
    """The proxy in front of the Supabase on `upstream_port`."""

    name: ClassVar[str] = "the remote database"

    def __init__(self, upstream_port: int, *, delay: float, log: Path) -> None:
        """Describe the proxy; it adds `delay` seconds to each call."""
        super().__init__(port=0, log=log)
        self._arguments = (str(upstream_port), str(delay))

    def url(self, caller: str) -> str:
        """Return the URL for SUPABASE_URL. Calls through it are counted for `caller`."""
        return f"http://{LOOPBACK}:{self.port}/{_NO_WORD.sub('-', caller)}"

    def calls(self, caller: str, function: str = "get_asin_stats") -> int:
        """Return how many times `caller` has called `function` so far."""
        counts = httpx.get(f"http://{LOOPBACK}:{self.port}/calls", timeout=10).json()
        return int(counts.get(f"{_NO_WORD.sub('-', caller)} {function}", 0))

    def _spawn(self, port: int) -> ChildProcess:
        with socket.create_server((LOOPBACK, port), backlog=1024) as listener:
            return ChildProcess(
                [sys.executable, "-m", __name__, str(listener.fileno()), *self._arguments],
                environment={"PATH": os.defpath},
                directory=ROOT,
                log=self._log,
                pass_fds=(listener.fileno(),),
            )

    def _is_ready(self) -> bool:
        try:
            return self.calls("nobody") == 0
        except httpx.HTTPError:
            return False


class _Proxy:
    """The proxy inside its own process."""

    def __init__(self, upstream_port: int, delay: float) -> None:
        self._port, self._delay, self._calls = upstream_port, delay, Counter[str]()

    async def serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        """Forward the requests of one client connection over one upstream connection until either connection ends."""
        upstream, requests = await asyncio.open_connection(LOOPBACK, self._port)
        try:
            while True:
                message = await _message(client)
                answers.write(await self._answer(message, upstream, requests))
                await answers.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # one of the two connections has ended
        finally:
            requests.close()
            answers.close()

    async def _answer(self, message: bytes, upstream: asyncio.StreamReader, requests: asyncio.StreamWriter) -> bytes:
        call = _CALL.match(message)
        if call is None:
            body = json.dumps(self._calls).encode()
            return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        self._calls[f"{call[1].decode()} {call[3].decode()}"] += 1
        await asyncio.sleep(self._delay / 2)
        requests.write(b"POST " + message[call.start(2) :])
        answer = await _message(upstream)
        await asyncio.sleep(self._delay / 2)
        return answer


async def _message(stream: asyncio.StreamReader) -> bytes:
    """Return the next HTTP message unchanged: head and body."""
    head = await stream.readuntil(_END)
    if length := _LENGTH.search(head):
        return head + await stream.readexactly(int(length[1]))
    return head + await _chunks(stream) if b"chunked" in head.lower() else head


async def _chunks(stream: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        line = await stream.readuntil(b"\r\n")
        chunk = await stream.readexactly(int(line, 16) + 2)
        body += line + chunk
        if int(line, 16) == 0:
            return body


async def _main(descriptor: int, upstream_port: int, delay: float) -> None:
    proxy = _Proxy(upstream_port, delay)
    server = await asyncio.start_server(proxy.serve, sock=socket.socket(fileno=descriptor))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
