"""The native PostgreSQL is what the tests that use it take it for: migrated, isolated, several sessions at once."""

import psycopg
import pytest

from tests.postgres import PostgresServer, acting_as, execute, new_user


def test_it_isolates_users_like_the_embedded_one(postgres: PostgresServer) -> None:
    """Row level security and grants hold for whoever acts as a user."""
    with postgres.session() as superuser, postgres.session() as session:
        owner, other = new_user(superuser), new_user(superuser)
        with acting_as(session, owner):
            execute(session, "select public.create_product('{\"title\": \"Lamp\"}', '{}')")
            assert execute(session, "select title from public.products") == [{"title": "Lamp"}]
        with acting_as(session, other):
            assert execute(session, "select title from public.products") == []
            with pytest.raises(psycopg.Error, match="permission denied"):
                execute(session, "select * from auth.users")
