"""The baseline creates the schema. Each later migration applies to a database that contains data."""

import itertools
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from psycopg.errors import CheckViolation

from local.schema import PAGE, describe
from local.server import ServerError
from local.supabase import SupabaseServer
from tests.barcodes import upc
from tests.counters.oracle import COUNTED, Run, differences, recount, stats
from tests.postgres import MIGRATIONS, PostgresServer, Session, acting_as, execute, new_user, project_sql

_BASELINE: Final = 1 + next(place for place, file in enumerate(MIGRATIONS) if file.stem.endswith("_comments"))
"""The number of migrations that form the baseline. No database contains data before all of them are applied."""
_USERS: Final = tuple(f"0000000{number}-0000-4000-8000-000000000000" for number in range(4))
_numbers: Final = itertools.count(1)

_UPCS: Final = [upc(number) for number in range(12)]

# Every status with every kind of deals, for three users. The fourth user has no data. One statement inserts all rows,
# the deals before their products.
_DATA: Final = f"""
with given as materialized (
    select gen_random_uuid() as id, u.id as user_id, 'deals:' || d.deals as title, k.kind, d.n
    from auth.users u, (values ('asin'), ('pending'), ('unknown'), ('upc'), ('several'), ('nothing')) as k (kind),
        (values (1, ''), (2, 'a'), (3, 'd'), (4, 'ad'), (5, 'aad'), (6, 'dd')) as d (n, deals)
    where u.id <> '00000003-0000-4000-8000-000000000000'
), product as (
    insert into public.products (id, user_id, title, asin, upc, multiple_asins)
    select id, user_id, title,
        case kind when 'asin' then 'B00000000' || n when 'pending' then 'PENDING_' || n
            when 'unknown' then 'Unknown' end,
        case kind when 'upc' then (array{_UPCS[:6]})[n]
            when 'pending' then (array{_UPCS[6:]})[n] end, kind = 'several'
    from given
)
insert into public.deals (user_id, product_id, supplier, active, deleted_at)
select g.user_id, g.id, 's' || d.place, d.kind = 'a', case d.kind when 'd' then now() end
from given g,
    regexp_split_to_table(nullif(split_part(g.title, ':', 2), ''), '') with ordinality as d (kind, place);
"""  # noqa: S608 - our own numbers
_WANTED: Final = {"all": 18, "asin_found": 3, "needs_selection": 3, "needs_asin": 6, "manual_entry": 6}

# Everything that a migration can create, with its privileges.
_SCHEMA: Final = """
select 'schema' as kind, nspname::text as name, nspacl::text as rights, '' as text from pg_namespace
    where nspname !~ '^pg_'
union all select 'table', oid::regclass::text, relacl::text, relrowsecurity || ' ' || coalesce(reloptions::text, '')
    from pg_class
    where relkind in ('r', 'v', 'i') and relnamespace::regnamespace::text in ('public', 'private', 'counting')
union all select 'column', attrelid::regclass || '.' || attname, attacl::text, format_type(atttypid, atttypmod)
    from pg_attribute where attnum > 0 and attrelid in ('public.products'::regclass, 'public.deals'::regclass)
union all select 'function', oid::regprocedure::text, proacl::text, pg_get_functiondef(oid) from pg_proc
    where prokind = 'f' and pronamespace::regnamespace::text in ('public', 'private', 'counting', 'auth')
union all select 'trigger', tgrelid::regclass || '.' || tgname, '', tgenabled::text || pg_get_triggerdef(oid)
    from pg_trigger where not tgisinternal
union all select 'policy', polrelid::regclass || '.' || polname, '', pg_get_expr(polqual, polrelid) from pg_policy
union all select 'default', defaclobjtype::text, defaclacl::text, '' from pg_default_acl
union all select 'role', rolname::text, '', row_to_json(r)::text from pg_roles r where rolname !~ '^pg_'
order by 1, 2, 3
"""

_WITHOUT_COMMENT: Final = """
with ours as (
    select oid from pg_namespace
    where nspname in ('public', 'private', 'counting', 'searching', 'idempotency', 'deciding')
)
select oid::regprocedure::text as name from pg_proc
    where prokind = 'f' and pronamespace in (select oid from ours) and obj_description(oid, 'pg_proc') is null
union all select c.oid::regclass::text from pg_class c
    where relkind = 'r' and relnamespace in (select oid from ours) and obj_description(c.oid, 'pg_class') is null
union all select c.oid::regclass || '.' || attname from pg_class c join pg_attribute on attrelid = c.oid
    where relkind = 'r' and relnamespace in (select oid from ours) and attnum > 0 and not attisdropped
    and col_description(c.oid, attnum) is null
"""

_FUNCTION_COMMENTS: Final = """
select distinct pronamespace::regnamespace::text || '.' || proname as name, obj_description(oid, 'pg_proc') as text
from pg_proc where prokind = 'f'
    and pronamespace::regnamespace::text in ('public', 'private', 'counting', 'searching', 'idempotency', 'deciding')
"""


@contextmanager
def _new_database(postgres: PostgresServer) -> Iterator[tuple[str, Session]]:
    """Create a database like that of a new project. Drop it after the block."""
    name = f"migrated_{next(_numbers)}"
    with postgres.session() as administrator:
        execute(administrator, f"create database {name} template template0")
        try:
            with postgres.session(database=name) as session:
                execute(session, project_sql())
                yield name, session
        finally:
            execute(administrator, f"drop database {name}")


def _load(run: Run) -> None:
    for number, user_id in enumerate(_USERS):
        run(f"insert into auth.users (id, email) values ('{user_id}', '{number}@a.example')")  # noqa: S608 - our own
    run(_DATA)


def _assert_counted(run: Run) -> None:
    empty = dict.fromkeys(_WANTED, 0)
    for user_id in _USERS:
        wanted = _WANTED if user_id != _USERS[-1] else empty
        assert len(run(f"select 1 from ({COUNTED}) c where user_id = '{user_id}'")) == wanted["all"]  # noqa: S608
        assert stats(run, user_id) == wanted
        assert recount(run, user_id) == {"before": wanted, "after": wanted, "repaired": 0, "copies": 0}
    assert differences(run, _USERS) == []


@pytest.mark.parametrize("earlier", range(_BASELINE, len(MIGRATIONS) + 1))
def test_later_migrations_apply_to_a_database_with_data(postgres: PostgresServer, earlier: int) -> None:
    """Existing data stays counted, and the recount finds nothing to repair."""
    with _new_database(postgres) as (name, session):
        postgres.migrate(MIGRATIONS[:earlier], database=name)
        _load(lambda text: execute(session, text))
        postgres.migrate(MIGRATIONS[earlier:], database=name)
        with session.transaction():
            _assert_counted(lambda text: execute(session, text))


def test_a_wrong_check_digit_from_before_the_rule_stays(postgres: PostgresServer) -> None:
    """Such a product can be changed and imported again. A new wrong number is refused."""
    before = next(place for place, file in enumerate(MIGRATIONS) if file.stem.endswith("_candidates"))
    with _new_database(postgres) as (name, session):
        postgres.migrate(MIGRATIONS[:before], database=name)
        user_id = new_user(session)
        execute(session, "insert into products (user_id, title, upc) values (%s, 'Old', '12345678')", user_id)
        postgres.migrate(MIGRATIONS[before:], database=name)
        with acting_as(session, user_id):
            rows = '[{"line": 2, "upc": "12345678", "supplier": "Acme"}]'
            done = execute(session, "select public.import_deals(%s::jsonb) as d", rows)[0]["d"]["answer"]
            assert (done["created"], done["refused"]) == (1, [])
            execute(session, "update products set title = 'Renamed', upc = upc")
            assert execute(session, "select title, upc_is_valid from products") == [
                {"title": "Renamed", "upc_is_valid": False}
            ]
            with pytest.raises(CheckViolation, match="wrong check digit"):
                execute(session, "update products set upc = '12345679'")


def test_preparing_the_project_again_does_not_change_the_schema(postgres: PostgresServer) -> None:
    """The local start prepares the project each time. This must change neither tables nor privileges."""
    with _new_database(postgres) as (name, session):
        postgres.migrate(database=name)
        made = execute(session, _SCHEMA)
        execute(session, project_sql())
        assert execute(session, _SCHEMA) == made
    assert {row["kind"] for row in made} >= {"schema", "table", "column", "function", "trigger", "policy", "default"}


def test_each_function_is_defined_once_in_the_baseline() -> None:
    """The baseline contains the final form of each function, and no later change of it."""
    text = "\n".join(file.read_text() for file in MIGRATIONS[:_BASELINE])
    defined = re.findall(r"^create (?:or replace )?function ([\w.]+)", text, re.MULTILINE)
    assert sorted(defined) == sorted(set(defined))
    assert "or replace" not in text


def test_the_local_server_applies_each_migration_once(tmp_path: Path) -> None:
    """A new migration is applied at the next start. The start after that changes nothing."""
    migrations = Path(shutil.copytree(MIGRATIONS[0].parent, tmp_path / "migrations"))
    with SupabaseServer(tmp_path / "data", migrations=migrations) as server:
        _load(server.sql)
    (migrations / "29990101000000_later.sql").write_text("create table public.later (n integer)")
    history = "select * from supabase_migrations.schema_migrations order by version"
    counted = "select * from counting.products order by user_id, product_id"
    seen = []
    for _ in range(2):
        with SupabaseServer(tmp_path / "data", migrations=migrations) as server:
            seen.append([server.sql(text) for text in (_SCHEMA, history, counted)])
            _assert_counted(server.sql)
    assert seen[0] == seen[1]
    versions = [row["version"] for row in seen[0][1]]
    assert versions == [*(file.name.split("_")[0] for file in MIGRATIONS), "29990101000000"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Create a local database in `data` from the one migration in the returned folder."""
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "20261123000100_tables.sql").write_text("create table public.products (id integer)")
    with SupabaseServer(tmp_path / "data", migrations=migrations):
        pass
    return migrations


@pytest.mark.usefixtures("small")
def test_a_database_made_by_removed_migrations_is_refused_with_advice(tmp_path: Path) -> None:
    """For example a local database from the time before the baseline. The message says what to do."""
    message = (
        r"no longer exist \(20261123000100\) and cannot be upgraded: run `rm -r .local/supabase`, .* and start again"
    )
    with pytest.raises(ServerError, match=message):
        SupabaseServer(tmp_path / "data").start()


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("20261123000000_older.sql", " is older than the applied migration 20261123000100: give it a newer timestamp"),
        ("29990101000000_two-words.sql", ": the name of a migration is 14 digits, _, and letters, digits or _"),
    ],
)
def test_a_new_migration_with_an_unusable_name_is_refused(tmp_path: Path, small: Path, file: str, reason: str) -> None:
    """An older one would be applied after the others here, but before them in a new database."""
    (small / file).write_text("create table public.later (n integer)")
    with pytest.raises(ServerError, match=re.escape(file + reason)):
        SupabaseServer(tmp_path / "data", migrations=small).start()


@pytest.mark.parametrize("database", ["embedded", "native"])
def test_the_schema_page_is_current(postgres: PostgresServer, tmp_path: Path, database: str) -> None:
    """`make schema` writes docs/schema.md. The page is the same for both kinds of PostgreSQL."""
    if database == "embedded":
        with SupabaseServer(tmp_path / "data") as server:
            page = describe(server.sql)
    else:
        with postgres.session() as session:
            page = describe(lambda text: execute(session, text))
    assert page == PAGE.read_text(encoding="utf-8"), "run `make schema`"


def test_each_table_column_and_function_has_a_comment(postgres: PostgresServer) -> None:
    """The schema page shows the comments."""
    with postgres.session() as session:
        assert execute(session, _WITHOUT_COMMENT) == []


def test_the_comment_of_a_function_is_the_first_sentence_above_it(postgres: PostgresServer) -> None:
    """The schema page and the migrations say the same. A function that is replaced later has its last text."""
    written = {}
    for file in MIGRATIONS:
        for lines, name in re.findall(
            r"((?:^--.*\n)+)create (?:or replace )?function ([\w.]+)", file.read_text("utf-8"), re.MULTILINE
        ):
            written[name] = re.split(r"(?<=\.)\s", re.sub(r"\s*\n?-- ", " ", f"\n{lines}").strip())[0]
    with postgres.session() as session:
        rows = execute(session, _FUNCTION_COMMENTS)
    stored = {str(row["name"]): row["text"] for row in rows}
    assert written.items() <= stored.items(), {name: stored[name] for name in written if written[name] != stored[name]}
