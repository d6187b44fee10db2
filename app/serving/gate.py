"""The gate: the connections that no thread uses, with the event and deadline of each. It runs in the main loop."""

import errno
import math
import selectors
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from app.serving.client import RATE, WAIT_SECONDS
from app.serving.connection import Connection, Phase
from app.serving.framing import Kind
from app.serving.refusals import refusal
from app.serving.slow_clients import SlowClients

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Gate"]

_TICK: Final = 0.25
"""Seconds between two checks of the deadlines."""

_CLOSE_SECONDS: Final = 5.0
"""Time that a client has to close its side after its last response; longer while it still sends at `RATE`."""

_STOP_SECONDS: Final = 1.0
"""Time that a stopping worker waits for requests that may be arriving on idle connections."""

_KEPT_BYTES: Final = 64 << 20
"""Maximum size of all buffered responses. Beyond it, the connection that waits longest is closed."""

_NOT_NOW: Final = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED}
_FULL: Final = {errno.EMFILE, errno.ENFILE}


@dataclass(slots=True)
class Share:
    """The share of threads for a kind of request that may take long: at most `most` threads serve it, `busy` do now."""

    most: int
    busy: int = 0
    queue: deque[Connection] = field(default_factory=deque)


class Gate(ThreadWorker):  # type: ignore[misc]
    """gthread worker that gives threads only arrived requests, and sends the rest of a response in the main loop."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - gunicorn's own
        """Create a worker; gunicorn calls this in the master process."""
        super().__init__(*arguments, **options)
        self.waiting: dict[Connection, None] = {}  # a set in order of arrival
        threads = self.cfg.threads
        most = {Kind.TRANSFER: threads // 2, Kind.CHANGE: threads - 2, Kind.BODY: threads // 4}
        self.shares = {kind: Share(max(number, 1)) for kind, number in most.items()}
        self.slow_clients = SlowClients(self.log.warning)
        self.next_check = self.stop_at = 0.0

    def run(self) -> None:
        """Serve until stopped, then log the remaining counts."""
        super().run()
        self.slow_clients.report(math.inf)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Handle events, and check the deadlines every `_TICK` seconds."""
        super().wait_for_and_dispatch_events(min(timeout, _TICK))
        now = time.monotonic()
        if now >= self.next_check:
            self.next_check = now + _TICK
            self.tick(now)

    def accept(self, listener: Any) -> None:  # noqa: ANN401 - gunicorn's wrapper of a socket
        """Accept a connection. If there are too many, close the one that has waited longest."""
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno in _FULL:
                self._close_oldest()
            elif error.errno not in _NOT_NOW:
                raise
            return
        connection = Connection(self.cfg, accepted, address, listener.getsockname(), self._step)
        self.nr_conns += 1
        self._wait(connection, Phase.IDLE, WAIT_SECONDS)
        if self.nr_conns >= self.worker_connections:
            self._close_oldest()

    def finish_request(self, conn: Connection, fs: "Future[Any]") -> None:
        """Continue with a connection after its thread has finished."""
        client = conn.sock
        if share := self.shares.get(client.current.kind):
            share.busy -= 1
            self._admit(share)
        succeeded = not fs.cancelled() and fs.exception() is None
        conn.keep = succeeded and bool(fs.result()) and client.is_read
        if client.stalled:
            self.slow_clients.add("in the middle of a transfer")
            self._drop(conn)
        elif client.fileno() < 0 or not succeeded:
            self._drop(conn)
        elif client.unsent:
            self._keep_answer(conn)
        else:
            self._answered(conn)

    def _step(self, conn: Connection) -> None:
        """Continue with a connection whose event has happened."""
        if conn not in self.waiting:  # closed a moment ago to make room
            return
        try:
            if conn.phase is Phase.ANSWERING:
                self._send_rest(conn)
            elif conn.phase is Phase.CLOSING:
                self._discard(conn)
            else:
                self._receive(conn)
        except OSError:
            self._drop(conn)

    def _receive(self, conn: Connection) -> None:
        if not conn.sock.receive():
            if conn.sock.received:  # the client closed its side within a request, but may still read (RFC 9112 §8)
                self._refuse(conn, 400)
            else:
                self._drop(conn)
        elif conn.sock.start_request():
            self._stop_waiting(conn)
            self._dispatch(conn)
        elif conn.phase is Phase.IDLE and conn.sock.received:
            conn.phase, conn.deadline = Phase.ARRIVING, time.monotonic() + WAIT_SECONDS

    def _dispatch(self, conn: Connection) -> None:
        """Give a request to a thread, or queue it until a thread of its share is free."""
        share = self.shares.get(conn.sock.current.kind)
        if share is None:
            self.enqueue_req(conn)
            return
        share.queue.append(conn)
        self._wait(conn, Phase.QUEUED, WAIT_SECONDS, watch=0)
        self._admit(share)

    def _admit(self, share: Share) -> None:
        while share.queue and share.busy < share.most:
            conn = share.queue[0]
            self._stop_waiting(conn)
            share.busy += 1
            self.enqueue_req(conn)

    def _keep_answer(self, conn: Connection) -> None:
        """Send the rest of a response in the main loop. If too many bytes are buffered, close the oldest connection."""
        self._wait(conn, Phase.ANSWERING, WAIT_SECONDS + len(conn.sock.unsent) / RATE, watch=selectors.EVENT_WRITE)
        kept = [each for each in self.waiting if each.phase is Phase.ANSWERING]
        if sum(len(each.sock.unsent) for each in kept) > _KEPT_BYTES:
            self._expire(kept[0])

    def _send_rest(self, conn: Connection) -> None:
        if conn.sock.flush():
            self._stop_waiting(conn)
            self._answered(conn)

    def _answered(self, conn: Connection) -> None:
        """Wait for the next request, which may have arrived already, or close the connection."""
        if not conn.keep:
            self._half_close(conn)
        elif conn.sock.start_request():
            self._dispatch(conn)
        elif conn.sock.received:
            self._wait(conn, Phase.ARRIVING, WAIT_SECONDS)
        else:
            self._wait(conn, Phase.IDLE, self.cfg.keepalive)

    def _half_close(self, conn: Connection) -> None:
        """Close our side only. Closing both sides could discard the response while the client still sends."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(conn)
        else:
            self._wait(conn, Phase.CLOSING, _CLOSE_SECONDS)

    def _discard(self, conn: Connection) -> None:
        size = conn.sock.discard()
        conn.deadline += size / RATE
        if not size:
            self._drop(conn)

    def tick(self, now: float) -> None:
        """Close the connections whose deadline has passed. `now` is monotonic seconds."""
        if not self.alive:
            self.stop_at = self.stop_at or now + _STOP_SECONDS
            for conn in self.waiting:
                if conn.phase in {Phase.IDLE, Phase.CLOSING}:
                    conn.deadline = min(conn.deadline, self.stop_at)
        for conn in [conn for conn in self.waiting if conn.deadline <= now]:
            self._expire(conn)
        self.slow_clients.report(now)

    def _expire(self, conn: Connection) -> None:
        if conn.phase is Phase.ARRIVING:
            self.slow_clients.add("before their request was complete")
            self._refuse(conn, 408)
        elif conn.phase is Phase.QUEUED:
            self._refuse(conn, 503)
        else:
            if conn.phase is Phase.ANSWERING:
                self.slow_clients.add("with an unread response")
            self._drop(conn)

    def _refuse(self, conn: Connection, status: int) -> None:
        """Answer without a thread."""
        self._stop_waiting(conn)
        _, answer = refusal(status)
        try:
            conn.sock.sendall(answer)
        except OSError:
            self._drop(conn)
        else:
            self._half_close(conn)

    def _close_oldest(self) -> None:
        """Close the connection that has waited longest."""
        if self.waiting:
            self.slow_clients.add("to make room")
            self._drop(next(iter(self.waiting)))

    def _wait(self, conn: Connection, phase: Phase, seconds: float, *, watch: int = selectors.EVENT_READ) -> None:
        """Let a connection wait for the events of `watch`; 0 means none."""
        conn.phase, conn.deadline = phase, time.monotonic() + seconds
        self.waiting[conn] = None
        if watch:
            self.poller.register(conn.sock, watch, conn.on_ready)

    def _stop_waiting(self, conn: Connection) -> None:
        """Remove a connection from the waiting connections."""
        del self.waiting[conn]
        if conn.phase is Phase.QUEUED:
            self.shares[conn.sock.current.kind].queue.remove(conn)
        else:
            self.poller.unregister(conn.sock)

    def _drop(self, conn: Connection) -> None:
        """Close a connection immediately."""
        if conn in self.waiting:
            self._stop_waiting(conn)
        self.nr_conns -= 1
        conn.close()
