"""The costs of a look-up result and of the list of matches do not grow with the catalogue, whatever the statistics say.

The cost is the number of blocks of 8 kB that PostgreSQL reads.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

import pytest

from tests.postgres import PostgresServer, Session, acting_as, execute, new_user

_MANY: Final = 10_000
_ROWS: Final = 200
_EXPLAINED: Final = "explain (analyze, buffers, format json) select "
# Every product has a UPC with a right check digit, a match, and two candidates.
_FILL: Final = """
with numbers as (
    select '0' || (1000000000 + n) as digits from generate_series(1, %(many)s) as n
), p as (
    insert into products (user_id, title, upc)
    select %(user)s, 'P' || digits, upc from numbers, lateral (
        select digits || c as upc from generate_series(0, 9) as c where private.gtin_is_valid(digits || c)
    ) as valid
    returning id, user_id, upc
), m as (
    insert into matches (user_id, gtin, asin, verdict) select user_id, private.gtin(upc), 'B00000000N', 'never' from p
)
insert into candidates (user_id, product_id, asin)
select p.user_id, p.id, c.asin from p, (values ('B00000000A'), ('B00000000B')) as c (asin)
"""

_RECORD_PLANS: Final = """
load 'auto_explain';
set auto_explain.log_min_duration = 0;
set auto_explain.log_nested_statements = on;
set client_min_messages = log;
"""


@pytest.fixture(scope="module")
def loaded() -> Iterator[tuple[Session, str]]:
    """Return a session, and a user with many products, candidates and matches. Another user has as many."""
    with PostgresServer() as running:
        running.migrate()
        with running.session() as session:
            users = [new_user(session) for _ in range(2)]
            for user_id in users:
                session.execute(_FILL, {"user": user_id, "many": _MANY})
            yield session, users[0]


@pytest.fixture(params=["never analyzed", "analyzed"])
def catalogue(request: pytest.FixtureRequest, loaded: tuple[Session, str]) -> tuple[Session, str]:
    """Return `loaded` without statistics, then with statistics."""
    if request.param == "analyzed":
        execute(loaded[0], "analyze products, candidates, matches")
    return loaded


def _blocks(session: Session, user_id: str, call: str, *parameters: object) -> int:
    """Call a function as this user, and return the number of blocks that it reads. Its changes are rolled back."""
    with session.transaction(force_rollback=True), acting_as(session, user_id):
        plan = execute(session, _EXPLAINED + call, *parameters)[0]["QUERY PLAN"][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.mark.parametrize("asin", ["B00000000C", "B00000000A", "B00000000N", None])
def test_a_row_of_a_look_up_reads_few_blocks(catalogue: tuple[Session, str], asin: str | None) -> None:
    """Whether the candidate is new, unchanged, excluded by a match, or missing. Half the rows name the product's id."""
    session, user_id = catalogue
    products = execute(
        session, "select id::text, upc from products where user_id = %s order by upc desc limit %s", user_id, _ROWS
    )
    named = [
        {"upc": product["upc"]} if place % 2 else {"product_id": product["id"]}
        for place, product in enumerate(products)
    ]
    rows = json.dumps([{"line": line, "asin": asin, **row} for line, row in enumerate(named)])
    most = 150 if asin == "B00000000C" else 50  # a new candidate also changes the product
    assert _blocks(session, user_id, "public.add_candidates(%s)", rows) < most * _ROWS


@pytest.mark.parametrize("search", [None, "0000"])
@pytest.mark.parametrize("after", ["2990-01-01", None])
def test_a_page_of_matches_reads_little_more_than_its_rows(
    catalogue: tuple[Session, str], search: str | None, after: str | None
) -> None:
    """The first page, one from the middle, and a search that matches many."""
    session, user_id = catalogue
    middle = "select created_at::text, gtin, asin from matches where user_id = %s order by gtin offset %s limit 1"
    cursor = json.dumps(execute(session, middle, user_id, _MANY // 2)[0])
    call = "public.list_matches(%s, 50, %s::jsonb)"
    assert _blocks(session, user_id, call, search, cursor if after is None else None) < 600


def test_the_rows_of_a_statement_are_compared_without_a_join_when_copies_are_updated(postgres: PostgresServer) -> None:
    """A session would keep its plan. A nested loop compares each row with each other one: 40 s for 10,000 products."""
    plans = list[str]()
    with postgres.session() as session:
        session.add_notice_handler(lambda notice: plans.append(notice.message_primary or ""))
        user_id = new_user(session)
        execute(session, "insert into products (user_id, title) values (%s, 'One')", user_id)
        execute(session, _RECORD_PLANS)
        execute(session, "update products set title = 'Two' where user_id = %s", user_id)
        execute(session, "delete from auth.users where id = %s", user_id)
    compared = [plan for plan in plans if "lower(r.title) from removed r" in plan]
    assert compared
    assert [re.findall(r"Join|Nested Loop", plan) for plan in compared] == [[]] * len(compared)
