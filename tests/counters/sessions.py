"""Two sessions on one PostgreSQL that run statements in a given order, and may wait for each other's locks."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, Self

import psycopg
from psycopg.pq import TransactionStatus

from tests.postgres import PostgresServer, Session, execute

__all__ = ["BackgroundSession", "act_as", "run", "two_sessions", "wait_until_done_or_blocked"]

_POLL_SECONDS: Final = 0.0005
_LOCK_SECONDS: Final = 20.0


class BackgroundSession:
    """A session whose statements run in a thread, so that the test continues while they wait for a lock."""

    def __init__(self, session: Session, observer: Session) -> None:
        """Take ownership of `session`. `observer` is another session, used to check whether this one waits."""
        self.session = session
        self._observer = observer
        self._thread = ThreadPoolExecutor(1)
        self._work: Future[Any] | None = None

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel the running statement and close the session."""
        self.session.cancel_safe()
        self._thread.shutdown()
        self.session.close()

    def start(self, work: Callable[[Session], Any]) -> None:
        """Run `work` in the thread; see `outcome`."""
        self._work = self._thread.submit(work, self.session)

    def outcome(self) -> Any:  # noqa: ANN401 - whatever the work returned
        """Wait for the started work and return its result, or None if none was started. Raises the work's exception."""
        work, self._work = self._work, None
        return work.result(timeout=_LOCK_SECONDS) if work else None

    def reset(self) -> None:
        """Cancel and roll back what a failed test has left running."""
        self.session.cancel_safe()
        with contextlib.suppress(psycopg.Error):
            self.outcome()
        self.session.rollback()

    @property
    def is_busy(self) -> bool:
        """Whether work is running."""
        return self._work is not None and not self._work.done()

    @property
    def is_blocked(self) -> bool:
        """Whether the session waits for a lock that another session holds."""
        query = "select cardinality(pg_blocking_pids(%s)) > 0 as blocked"
        return self.is_busy and bool(execute(self._observer, query, self.session.info.backend_pid)[0]["blocked"])

    @property
    def in_transaction(self) -> bool:
        """Whether the session has an open transaction. The session must not be busy."""
        return self.session.info.transaction_status != TransactionStatus.IDLE


def wait_until_done_or_blocked(sessions: Sequence[BackgroundSession]) -> None:
    """Wait until each session is done or blocked by another one, and at least one is done."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while not (
        all(not session.is_busy or session.is_blocked for session in sessions)
        and any(not session.is_busy for session in sessions)
    ):
        assert time.monotonic() < deadline, "a session is neither done nor blocked by a lock"
        time.sleep(_POLL_SECONDS)


def run(
    session: BackgroundSession,
    both: Sequence[BackgroundSession],
    text: str,
    *parameters: Any,  # noqa: ANN401 - SQL values
) -> None:
    """Start a statement and wait until it is done or blocked. If it is done and failed, raises its exception."""
    session.start(lambda connection: execute(connection, text, *parameters))
    wait_until_done_or_blocked(both)
    if not session.is_busy:
        session.outcome()


def act_as(user_id: str, *sessions: BackgroundSession, role: str = "authenticated") -> None:
    """Set the user and role of sessions, as PostgREST does for a request, until the sessions end."""
    for each in sessions:
        claim = "select set_config('request.jwt.claim.sub', %s, false), set_config('role', %s, false)"
        execute(each.session, claim, user_id, role)
        each.session.commit()


@contextmanager
def two_sessions(postgres: PostgresServer) -> Iterator[tuple[BackgroundSession, BackgroundSession]]:
    """Open two sessions that have no transaction yet."""
    with (
        postgres.session() as observer,
        BackgroundSession(postgres.session(autocommit=False), observer) as first,
        BackgroundSession(postgres.session(autocommit=False), observer) as second,
    ):
        yield first, second
