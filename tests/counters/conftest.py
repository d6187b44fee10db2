"""Sessions on the native PostgreSQL, and a user in it."""

from collections.abc import Iterator

import pytest

from tests.counters.catalogues import counter_errors
from tests.counters.sessions import BackgroundSession, two_sessions
from tests.postgres import PostgresServer, Session, execute, new_user


@pytest.fixture
def administrator(postgres: PostgresServer) -> Iterator[Session]:
    """Return a superuser session, which row level security does not restrict."""
    with postgres.session() as session:
        execute(session, "set lock_timeout = '10s'")  # another session may still hold locks after a failed test
        yield session


@pytest.fixture
def seller(administrator: Session) -> Iterator[str]:
    """Return the id of a new user. After the test, check the user's counters, delete the user, and check again."""
    user_id = new_user(administrator)
    yield user_id
    assert counter_errors(administrator, user_id) == []
    execute(administrator, "delete from auth.users where id = %s", user_id)
    assert counter_errors(administrator, user_id) == []


@pytest.fixture(scope="module")
def pool(postgres: PostgresServer) -> Iterator[tuple[BackgroundSession, BackgroundSession]]:
    """Return two sessions that all tests of the module share, like those of a connection pool.

    Tests must not change session settings.
    """
    with two_sessions(postgres) as opened:
        yield opened


@pytest.fixture
def both(postgres: PostgresServer) -> Iterator[tuple[BackgroundSession, BackgroundSession]]:
    """Return two sessions for one test."""
    with two_sessions(postgres) as opened:
        yield opened
