"""Users of the native PostgreSQL who decide ASINs."""

from collections.abc import Iterator

import pytest

from tests.counters.catalogues import counter_errors
from tests.deciding.deciders import Decider, new_decider
from tests.postgres import PostgresServer


@pytest.fixture
def seller(postgres: PostgresServer) -> Iterator[Decider]:
    """Return a new user. After the test, check the user's counters."""
    with postgres.session() as session:
        decider = new_decider(session)
        yield decider
        assert counter_errors(session, decider.id) == []


@pytest.fixture
def other_seller(postgres: PostgresServer) -> Iterator[Decider]:
    """Return another new user."""
    with postgres.session() as session:
        yield new_decider(session)
