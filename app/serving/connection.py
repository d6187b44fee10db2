"""A connection to a client, and the event it waits for while no thread uses it."""

import enum
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from app.serving.client import ClientSocket

__all__ = ["Connection", "Phase"]


class Phase(enum.Enum):
    """The event that a connection waits for while no thread uses it."""

    IDLE = enum.auto()
    """The first byte of a request."""

    ARRIVING = enum.auto()
    """The rest of a request."""

    QUEUED = enum.auto()
    """A free thread for this kind of request. The poller does not watch the connection meanwhile."""

    ANSWERING = enum.auto()
    """The client reads the rest of the response."""

    CLOSING = enum.auto()
    """The client closes its side too. Bytes that still arrive are discarded (RFC 9112 §9.6)."""


class Connection(TConn):  # type: ignore[misc]
    """gunicorn's connection, with a phase.

    Attributes:
        phase: the event it waits for.
        deadline: end of the wait, in seconds on the monotonic clock.
        keep: whether the connection is kept after the current response.
        on_ready: callback for the poller.

    """

    def __init__(
        self,
        cfg: Config,
        accepted: socket.socket,
        client: Any,  # noqa: ANN401 - an address
        server: Any,  # noqa: ANN401 - likewise
        step: Callable[["Connection"], None],
    ) -> None:
        """Take over `accepted`. `step` is called with the connection when the event has happened."""
        super().__init__(cfg, ClientSocket(accepted), client, server)
        self.data_ready = True  # threads do not wait for the first byte
        self.phase, self.deadline, self.keep = Phase.IDLE, 0.0, False
        self.on_ready = partial(_call, step, self)


def _call(step: Callable[[Connection], None], connection: Connection, _: object) -> None:
    step(connection)
