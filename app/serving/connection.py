"""One connection to a client, and what it waits for while no thread has it."""

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
    """What a connection that no thread has waits for."""

    IDLE = enum.auto()
    """The first byte of a request."""

    ARRIVING = enum.auto()
    """The rest of one."""

    QUEUED = enum.auto()
    """One of the threads for slow requests; it is not watched meanwhile."""

    ANSWERING = enum.auto()
    """That the client takes the rest of its answer."""

    LEAVING = enum.auto()
    """That the client ends its side too; what it still sends is discarded (RFC 9112 §9.6)."""


class Connection(TConn):  # type: ignore[misc]
    """gunicorn's connection, with a phase.

    Attributes:
        phase: what it waits for.
        deadline: until when, in seconds on the monotonic clock.
        keep: whether it outlives the answer it waits to be taken.
        on_ready: what the poller calls.

    """

    def __init__(
        self,
        cfg: Config,
        accepted: socket.socket,
        client: Any,  # noqa: ANN401 - an address
        server: Any,  # noqa: ANN401 - likewise
        step: Callable[["Connection"], None],
    ) -> None:
        """Take over `accepted`; `step` is called with the connection when what it waits for is there."""
        super().__init__(cfg, ClientSocket(accepted), client, server)
        self.data_ready = True  # no thread is to wait for a first byte
        self.phase, self.deadline, self.keep = Phase.IDLE, 0.0, False
        self.on_ready = partial(_call, step, self)


def _call(step: Callable[[Connection], None], connection: Connection, _: object) -> None:
    step(connection)
