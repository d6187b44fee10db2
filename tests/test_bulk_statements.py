"""A bulk action on a thousand deals: one statement on their table, all or nothing, and idempotent."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import pytest

from tests.postgres import PostgresServer, Session, acting_as, execute, new_user

_MANY: Final = 1000
_ACTIONS: Final = [("delete", None), ("restore", None), ("move", "ordered"), ("favorite", None), ("unfavorite", None)]
_FILL = """
with made as (insert into products (user_id, title) select %s, 'P' || n from generate_series(1, %s) n returning *)
insert into deals (user_id, product_id, favorite) select user_id, id, title like '%%1' from made
"""
_OF_BOTH: Final = "select xmin, * from deals where user_id in (%s, %s) order by id"
_COUNTING: Final = """
create temporary table statements (on_table text, kind text);
grant insert, select on statements to authenticated;
create function pg_temp.note_statement() returns trigger language plpgsql as $$
begin
    insert into pg_temp.statements values (tg_table_name, tg_op);
    return null;
end
$$;
create trigger note after insert or update or delete on public.deals
    for each statement execute function pg_temp.note_statement();
create trigger note after insert or update or delete on public.products
    for each statement execute function pg_temp.note_statement();
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """A user with a thousand deals, and a superuser's session."""

    session: Session
    user_id: str
    deal_ids: list[str]

    def acts(self, action: str, stage: str | None, deal_ids: list[str]) -> int:
        """Call bulk_deals as this user, in a separate transaction. Returns the number of deals in its answer."""
        with acting_as(self.session, self.user_id):
            answer = execute(self.session, "select bulk_deals(%s, %s::uuid[], %s) as a", action, deal_ids, stage)
        return int(answer[0]["a"]["answer"]["changed"])

    def rows(self) -> list[dict[str, Any]]:
        """Return all columns of the deals."""
        return execute(self.session, "select * from deals where user_id = %s order by id", self.user_id)


@pytest.fixture
def owner(postgres: PostgresServer) -> Iterator[Owner]:
    """Return a new owner."""
    with postgres.session() as session:
        user_id = new_user(session)
        execute(session, _FILL, user_id, _MANY)
        ids = [str(row["id"]) for row in execute(session, "select id from deals where user_id = %s", user_id)]
        yield Owner(session, user_id, ids)


@pytest.mark.parametrize(("action", "stage"), _ACTIONS)
def test_a_thousand_deals_are_changed_by_one_statement(owner: Owner, action: str, stage: str | None) -> None:
    """One update of deals, and no other statement on deals or products."""
    with owner.session.transaction(force_rollback=True):
        execute(owner.session, _COUNTING)
        assert owner.acts(action, stage, owner.deal_ids) == _MANY
        assert execute(owner.session, "select * from statements") == [{"on_table": "deals", "kind": "UPDATE"}]


@pytest.mark.parametrize(("action", "stage"), _ACTIONS)
def test_repeating_a_bulk_action_changes_nothing(owner: Owner, action: str, stage: str | None) -> None:
    """updated_at stays the same too. A client that got no answer can repeat the request, with more deals as well."""
    assert owner.acts(action, stage, owner.deal_ids[:500]) == 500
    before = owner.rows()
    assert owner.acts(action, stage, owner.deal_ids[:500]) == 500
    assert owner.rows() == before
    owner.acts(action, stage, owner.deal_ids)
    done = set(owner.deal_ids[:500])
    assert [row for row in owner.rows() if str(row["id"]) in done] == [row for row in before if str(row["id"]) in done]


@pytest.mark.parametrize(("action", "stage"), _ACTIONS)
def test_one_foreign_deal_among_a_thousand_refuses_all_of_them(
    postgres: PostgresServer, owner: Owner, action: str, stage: str | None
) -> None:
    """The error names only that deal. No row of either user is written."""
    with postgres.session() as session:
        other_user = new_user(session)
        execute(session, _FILL, other_user, 1)
        foreign = str(execute(session, "select id from deals where user_id = %s", other_user)[0]["id"])
        before = execute(session, _OF_BOTH, owner.user_id, other_user)
        with pytest.raises(psycopg.Error) as refusal:
            owner.acts(action, stage, [*owner.deal_ids[:-1], foreign])
        assert (refusal.value.sqlstate, refusal.value.diag.message_detail) == ("PT404", f'["{foreign}"]')
        assert execute(session, _OF_BOTH, owner.user_id, other_user) == before
