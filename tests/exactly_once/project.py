"""A migrated database with one user, who makes changes in any number of sessions."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.counters.sessions import BackgroundSession
from tests.postgres import PostgresServer, Session, acting_as, execute, new_user

CHANGE: Final = "select conditional_change(%s, %s, %s, %s) as result"
Answer = dict[str, Any]
_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Project:
    """A database and a user of it.

    Attributes:
        postgres: the server.
        database: the name of the database.
        administrator: a superuser session in this database.
        user_id: the user.

    """

    postgres: PostgresServer
    database: str
    administrator: Session
    user_id: str

    def asks(self, text: str, *parameters: object) -> Any:  # noqa: ANN401 - SQL values
        """Run SQL as the user and return the first value."""
        with acting_as(self.administrator, self.user_id) as session:
            return next(iter(execute(session, text, *parameters)[0].values()))

    def changes(
        self, function: str, *, key: str | None = None, if_match: Sequence[str] | None = None, **arguments: object
    ) -> Answer:
        """Make a change and return its result, with the envelope."""
        result: Answer = self.asks(CHANGE, *parameters(function, key=key, if_match=if_match, **arguments))
        return result

    def creates(self, **deal: object) -> Answer:
        """Create a product with a unique title and a deal, and return the deal."""
        made = self.changes("create_product", p_product={"title": f"Lamp {next(_numbers)}"}, p_deal=deal)
        deal_made: Answer = made["answer"]["deal"]
        return deal_made

    def deal(self, deal_id: str) -> Answer:
        """Return the deal as it is now."""
        found: Answer = self.asks("select get_deal(%s)", deal_id)
        return found

    @contextmanager
    def two_sessions(self) -> Iterator[tuple[BackgroundSession, BackgroundSession]]:
        """Open two sessions in this database."""
        with (
            self.postgres.session(database=self.database) as observer,
            BackgroundSession(self.postgres.session(autocommit=False, database=self.database), observer) as first,
            BackgroundSession(self.postgres.session(autocommit=False, database=self.database), observer) as second,
        ):
            yield first, second


def parameters(
    function: str, *, key: str | None = None, if_match: Sequence[str] | None = None, **arguments: object
) -> tuple[object, ...]:
    """Return the parameters of `CHANGE`."""
    return function, Jsonb(arguments), key, None if if_match is None else list(if_match)


@contextmanager
def refused(sqlstate: str, *, detail: str = "") -> Iterator[None]:
    """Expect that the block is refused with this SQLSTATE and, unless it is empty, with this detail."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    assert caught.value.sqlstate == sqlstate, caught.value
    assert not detail or caught.value.diag.message_detail == detail


@contextmanager
def new_project(postgres: PostgresServer, *, template: str) -> Iterator[tuple[str, Session]]:
    """Create a database as a copy of `template`. Drop it after the block. Yields its name and a superuser session."""
    name = f"once_{next(_numbers)}"
    with postgres.session() as administrator:
        execute(administrator, f"create database {name} template {template}")
        try:
            with postgres.session(database=name) as session:
                yield name, session
        finally:
            execute(administrator, f"drop database {name} with (force)")


def with_new_user(postgres: PostgresServer, name: str, session: Session) -> Project:
    """Return the project of a new user in the database `name`."""
    return Project(postgres, name, session, new_user(session))
