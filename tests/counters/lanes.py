"""Two sessions on one PostgreSQL that take turns, or really wait for each other's locks: always in the order told."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, Self

import psycopg
from psycopg.pq import TransactionStatus

from tests.postgres import PostgresServer, Session, execute

__all__ = ["Lane", "become", "come_to_rest", "do", "lanes"]

_POLL_SECONDS: Final = 0.0005
_LOCK_SECONDS: Final = 20.0


class Lane:
    """One session, with a thread that waits in its place."""

    def __init__(self, session: Session, watcher: Session) -> None:
        """Take over a session; `watcher` is another one, to see whether this one waits."""
        self.session = session
        self._watcher = watcher
        self._thread = ThreadPoolExecutor(1)
        self._work: Future[Any] | None = None

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give up what is under way, and end."""
        self.session.cancel_safe()
        self._thread.shutdown()
        self.session.close()

    def start(self, work: Callable[[Session], Any]) -> None:
        """Let the session do `work`; see `outcome`."""
        self._work = self._thread.submit(work, self.session)

    def outcome(self) -> Any:  # noqa: ANN401 - whatever the work returned
        """Return the result of finished work, or None. Raises what the work raised."""
        work, self._work = self._work, None
        return work.result(timeout=_LOCK_SECONDS) if work else None

    def reset(self) -> None:
        """Undo what a test that failed has left under way."""
        self.session.cancel_safe()
        with contextlib.suppress(psycopg.Error):
            self.outcome()
        self.session.rollback()

    @property
    def is_busy(self) -> bool:
        """Whether work is under way."""
        return self._work is not None and not self._work.done()

    @property
    def is_waiting(self) -> bool:
        """Whether the session waits for a lock that another session holds."""
        waits = "select cardinality(pg_blocking_pids(%s)) > 0 as waits"
        return self.is_busy and bool(execute(self._watcher, waits, self.session.info.backend_pid)[0]["waits"])

    @property
    def in_transaction(self) -> bool:
        """Whether the session, which must not be busy, has an open transaction."""
        return self.session.info.transaction_status != TransactionStatus.IDLE


def come_to_rest(of: Sequence[Lane]) -> None:
    """Wait until each lane is done or waits for another, and at least one is done."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while not (all(not lane.is_busy or lane.is_waiting for lane in of) and any(not lane.is_busy for lane in of)):
        assert time.monotonic() < deadline, "neither done nor waiting for a lock"
        time.sleep(_POLL_SECONDS)


def do(lane: Lane, both: Sequence[Lane], text: str, *parameters: Any) -> None:  # noqa: ANN401 - SQL values
    """Start a statement and wait until it is done, or waits. Raises what it raised, in the first case."""
    lane.start(lambda session: execute(session, text, *parameters))
    come_to_rest(both)
    if not lane.is_busy:
        lane.outcome()


def become(user_id: str, *chosen: Lane, role: str = "authenticated") -> None:
    """Let sessions act as this user until they end, as requests would."""
    for lane in chosen:
        claim = "select set_config('request.jwt.claim.sub', %s, false), set_config('role', %s, false)"
        execute(lane.session, claim, user_id, role)
        lane.session.commit()


@contextmanager
def lanes(postgres: PostgresServer) -> Iterator[tuple[Lane, Lane]]:
    """Open two lanes, without transactions yet."""
    with (
        postgres.session() as watcher,
        Lane(postgres.session(autocommit=False), watcher) as first,
        Lane(postgres.session(autocommit=False), watcher) as second,
    ):
        yield first, second
