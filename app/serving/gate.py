"""The gate: connections that no thread has, what each waits for, and until when. All of it runs in the main loop."""

import errno
import math
import selectors
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from app.serving.client import PATIENCE, RATE
from app.serving.connection import Connection, Phase
from app.serving.framing import Kind
from app.serving.refusals import refusal
from app.serving.tally import Tally

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Gate"]

_TICK: Final = 0.25
"""Seconds between two looks at the deadlines."""

_LEAVE_SECONDS: Final = 5.0
"""For a client that has its last answer to end its side; more while it goes on sending at `RATE`."""

_STOP_SECONDS: Final = 1.0
"""A stopping worker waits so long for requests that may be on their way on idle connections."""

_KEPT_BYTES: Final = 64 << 20
"""Answers that clients are slow to take: beyond this, the one that waits longest is given up."""

_NOT_NOW: Final = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED}
_FULL: Final = {errno.EMFILE, errno.ENFILE}


@dataclass(slots=True)
class Lane:
    """The threads for one kind of request that may take long: at most `most` of all are `busy` with it."""

    most: int
    busy: int = 0
    queue: deque[Connection] = field(default_factory=deque)


class Gate(ThreadWorker):  # type: ignore[misc]
    """gthread whose threads get only requests that have arrived, and leave to this loop what clients do not take."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - gunicorn's own
        """Make a worker; gunicorn calls it in the master."""
        super().__init__(*arguments, **options)
        self.parked: dict[Connection, None] = {}  # a set in order of arrival
        threads = self.cfg.threads
        self.lanes = {Kind.TRANSFER: Lane(max(threads // 2, 1)), Kind.BODY: Lane(max(threads // 4, 1))}
        self.tally = Tally(self.log.warning)
        self.next_sweep = self.stop_at = 0.0

    def run(self) -> None:
        """Serve until told to stop, then log what was not logged yet."""
        super().run()
        self.tally.report(math.inf)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Do what is due, at least every `_TICK` seconds."""
        super().wait_for_and_dispatch_events(min(timeout, _TICK))
        now = time.monotonic()
        if now >= self.next_sweep:
            self.next_sweep = now + _TICK
            self._sweep(now)

    def accept(self, listener: Any) -> None:  # noqa: ANN401 - gunicorn's wrapper of a socket
        """Take a new connection; when there are too many, the one that has waited longest goes."""
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno in _FULL:
                self._shed()
            elif error.errno not in _NOT_NOW:
                raise
            return
        connection = Connection(self.cfg, accepted, address, listener.getsockname(), self._step)
        self.nr_conns += 1
        self._park(connection, Phase.IDLE, PATIENCE)
        if self.nr_conns >= self.worker_connections:
            self._shed()

    def finish_request(self, conn: Connection, fs: "Future[Any]") -> None:
        """Take a connection back from its thread."""
        client = conn.sock
        if lane := self.lanes.get(client.begun.kind):
            lane.busy -= 1
            self._admit(lane)
        succeeded = not fs.cancelled() and fs.exception() is None
        conn.keep = succeeded and bool(fs.result()) and client.is_read
        if client.stalled:
            self.tally.add("in the middle of a transfer")
            self._drop(conn)
        elif client.fileno() < 0 or not succeeded:
            self._drop(conn)
        elif client.unsent:
            self._keep_answer(conn)
        else:
            self._answered(conn)

    def _step(self, conn: Connection) -> None:
        """Go on with a connection that is ready for what it waits for."""
        if conn not in self.parked:  # given up a moment ago, for another one
            return
        try:
            if conn.phase is Phase.ANSWERING:
                self._send_on(conn)
            elif conn.phase is Phase.LEAVING:
                self._discard(conn)
            else:
                self._receive(conn)
        except OSError:
            self._drop(conn)

    def _receive(self, conn: Connection) -> None:
        if not conn.sock.receive():
            if conn.sock.received:  # its client has ended its side in the middle, and may still read (RFC 9112 §8)
                self._refuse(conn, 400)
            else:
                self._drop(conn)
        elif conn.sock.begin():
            self._unpark(conn)
            self._pass_on(conn)
        elif conn.phase is Phase.IDLE and conn.sock.received:
            conn.phase, conn.deadline = Phase.ARRIVING, time.monotonic() + PATIENCE

    def _pass_on(self, conn: Connection) -> None:
        """Give a request to a thread, or let it wait for one of those that serve its kind."""
        lane = self.lanes.get(conn.sock.begun.kind)
        if lane is None:
            self.enqueue_req(conn)
            return
        lane.queue.append(conn)
        self._park(conn, Phase.QUEUED, PATIENCE, watch=0)
        self._admit(lane)

    def _admit(self, lane: Lane) -> None:
        while lane.queue and lane.busy < lane.most:
            conn = lane.queue[0]
            self._unpark(conn)
            lane.busy += 1
            self.enqueue_req(conn)

    def _keep_answer(self, conn: Connection) -> None:
        """Let the main loop send the rest of an answer; give up the oldest while there are too many bytes."""
        self._park(conn, Phase.ANSWERING, PATIENCE + len(conn.sock.unsent) / RATE, watch=selectors.EVENT_WRITE)
        kept = [each for each in self.parked if each.phase is Phase.ANSWERING]
        if sum(len(each.sock.unsent) for each in kept) > _KEPT_BYTES:
            self._expire(kept[0])

    def _send_on(self, conn: Connection) -> None:
        if conn.sock.flush():
            self._unpark(conn)
            self._answered(conn)

    def _answered(self, conn: Connection) -> None:
        """Wait for the next request, which may be here already, or part."""
        if not conn.keep:
            self._leave(conn)
        elif conn.sock.begin():
            self._pass_on(conn)
        elif conn.sock.received:
            self._park(conn, Phase.ARRIVING, PATIENCE)
        else:
            self._park(conn, Phase.IDLE, self.cfg.keepalive)

    def _leave(self, conn: Connection) -> None:
        """End our side. Closing at once could destroy the answer while the client still sends."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(conn)
        else:
            self._park(conn, Phase.LEAVING, _LEAVE_SECONDS)

    def _discard(self, conn: Connection) -> None:
        size = conn.sock.discard()
        conn.deadline += size / RATE
        if not size:
            self._drop(conn)

    def _sweep(self, now: float) -> None:
        """Give up what is over its deadline."""
        if not self.alive:
            self.stop_at = self.stop_at or now + _STOP_SECONDS
            for conn in self.parked:
                if conn.phase in {Phase.IDLE, Phase.LEAVING}:
                    conn.deadline = min(conn.deadline, self.stop_at)
        for conn in [conn for conn in self.parked if conn.deadline <= now]:
            self._expire(conn)
        self.tally.report(now)

    def _expire(self, conn: Connection) -> None:
        if conn.phase is Phase.ARRIVING:
            self.tally.add("before their request was whole")
            self._refuse(conn, 408)
        elif conn.phase is Phase.QUEUED:
            self._refuse(conn, 503)
        else:
            if conn.phase is Phase.ANSWERING:
                self.tally.add("with an answer not taken")
            self._drop(conn)

    def _refuse(self, conn: Connection, status: int) -> None:
        """Answer without a thread."""
        self._unpark(conn)
        _, answer = refusal(status)
        try:
            conn.sock.sendall(answer)
        except OSError:
            self._drop(conn)
        else:
            self._leave(conn)

    def _shed(self) -> None:
        if self.parked:
            self.tally.add("to make room")
            self._drop(next(iter(self.parked)))

    def _park(self, conn: Connection, phase: Phase, seconds: float, *, watch: int = selectors.EVENT_READ) -> None:
        """Let a connection wait; `watch` says for which events, 0 for none."""
        conn.phase, conn.deadline = phase, time.monotonic() + seconds
        self.parked[conn] = None
        if watch:
            self.poller.register(conn.sock, watch, conn.on_ready)

    def _unpark(self, conn: Connection) -> None:
        """Take a connection out of what waits."""
        del self.parked[conn]
        if conn.phase is Phase.QUEUED:
            self.lanes[conn.sock.begun.kind].queue.remove(conn)
        else:
            self.poller.unregister(conn.sock)

    def _drop(self, conn: Connection) -> None:
        """Close a connection at once."""
        if conn in self.parked:
            self._unpark(conn)
        self.nr_conns -= 1
        conn.close()
