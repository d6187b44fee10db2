"""Sessions on the native PostgreSQL, and a user in it."""

from collections.abc import Iterator

import pytest

from tests.counters.lanes import Lane, lanes
from tests.counters.native import wrong
from tests.postgres import PostgresServer, Session, execute, new_user


@pytest.fixture
def administrator(postgres: PostgresServer) -> Iterator[Session]:
    """Return a session beyond row level security."""
    with postgres.session() as session:
        execute(session, "set lock_timeout = '10s'")  # a test that fails may leave others holding locks
        yield session


@pytest.fixture
def seller(administrator: Session) -> Iterator[str]:
    """Return the id of a new user, whose counters must be right when the test is over; they go with the user."""
    user_id = new_user(administrator)
    yield user_id
    assert wrong(administrator, user_id) == []
    execute(administrator, "delete from auth.users where id = %s", user_id)
    assert wrong(administrator, user_id) == []


@pytest.fixture(scope="module")
def pool(postgres: PostgresServer) -> Iterator[tuple[Lane, Lane]]:
    """Return two sessions as long-lived as those of a connection pool, for tests that leave them as they were."""
    with lanes(postgres) as opened:
        yield opened


@pytest.fixture
def both(postgres: PostgresServer) -> Iterator[tuple[Lane, Lane]]:
    """Return two sessions of the test's own."""
    with lanes(postgres) as opened:
        yield opened
