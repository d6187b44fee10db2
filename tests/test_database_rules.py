"""The database refuses what the schemas refuse, also where users write past the application, and takes the rest."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import pytest
from pydantic import BaseModel, ValidationError

from app.products.schemas import DealFields, ProductFields
from local.stack import Stack
from tests.callers import Caller
from tests.postgres import MIGRATIONS, PostgresServer, execute, new_user, project_sql

_MODELS: Final[dict[str, type[BaseModel]]] = {"products": ProductFields, "deals": DealFields}
_FIELDS: Final = [(table, field) for table, model in _MODELS.items() for field in model.model_fields]
_RETURNED: Final = {"Prefer": "return=representation"}
# All that any version of Unicode, or anybody's `trim`, might take for a space; and what else texts are tripped up by.
_SPACES: Final = [
    *(chr(code) for code in (*range(1, 0x21), 0x7F, 0x85, 0xA0, 0xAD, 0x1680, 0x180E)),
    *(chr(code) for code in (*range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF)),
]
_TEXTS: Final = [
    "", "x", "é漢😀", "null", "\\", "{}", " ", "\u3000", *(f"x{space}" for space in _SPACES), "\u00a0x", "\u200bx",
]  # fmt: skip
_CODES: Final = [
    *(digits * count for digits in ("1", "A", "a", "\u0661", "é") for count in (7, 8, 9, 10, 11, 14, 15)),
    "B00-000000", "b000000001", "\u00df00000000", "\u017f000000001", "1234567a", "1234567\n", "B00000000\n",
]  # fmt: skip
_NUMBERS: Final = [
    Decimal(number)
    for number in ("-1e6", "0.1", "9.99", "12.5", "1e3", "9999999999", "9999999999.99", "1e20")
]  # fmt: skip


def _bounds(schema: dict[str, Any]) -> Iterator[object]:
    """Yield values at and beyond every limit that the JSON schema of a field names."""
    for variant in schema.get("anyOf", [schema]):
        kind = variant.get("type")
        if kind == "string":
            ends = [variant[name] for name in ("minLength", "maxLength") if name in variant]
            lengths = [end + step for end in ends for step in (-1, 0, 1)]
            yield from ("x" * length for length in lengths if length >= 0)
            yield from ("😀" * length for length in lengths if length > 0)
            yield from [*_TEXTS, *_CODES] if "pattern" not in variant else ["NaN", "Infinity", "", "4,20", "1e7", "0x1"]
            yield from [*variant.get("enum", []), "sold", "New"] if "enum" in variant else []
        elif kind in {"integer", "number"}:
            steps = ["-1", "0", "1"] if kind == "integer" else ["-1", "-0.01", "0", "0.01", "1"]
            limits = [Decimal(variant[name]) for name in ("minimum", "maximum") if name in variant]
            yield from (limit + Decimal(step) for limit in limits for step in steps)
            yield from _NUMBERS
        elif kind == "boolean":
            yield from (True, False)
    yield None


def _candidates(table: str, field: str) -> list[object]:
    """Return each value once, as it is written in JSON: numbers as numbers."""
    schema = _MODELS[table].model_json_schema()["properties"][field]
    values = {json.dumps(_plain(value)): _plain(value) for value in _bounds(schema)}
    return list(values.values())


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _stored(table: str, field: str, value: object) -> list[object]:
    """Return what the application stores for `value`; nothing when it refuses."""
    try:
        return [_MODELS[table].model_validate_json(json.dumps({field: value})).model_dump(mode="json")[field]]
    except ValidationError:
        return []


def _is_rounded(field: str, value: object) -> bool:
    """Say whether a column of cents makes a value of it that the application takes: it rounds before any rule."""
    if field != "buy_cost" or not isinstance(value, float):
        return False
    return bool(_stored("deals", field, float(round(Decimal(str(value)), 2))))


@pytest.fixture
def rows(alice: Caller) -> dict[str, str]:
    """Return the ids of a product and a deal of Alice's."""
    deal = alice.creates(title="Lamp", deal={"supplier": "Acme"})
    return {"products": deal["product_id"], "deals": deal["id"]}


def _written(caller: Caller, table: str, row: str, body: dict[str, object]) -> list[Any]:
    """Change a row past the application; return the rows that are as they were asked to be, none when refused."""
    answer = caller.http.patch(f"/{table}", params={"id": f"eq.{row}"}, json=body, headers=_RETURNED)
    return list(answer.json()) if answer.is_success else []


@pytest.mark.parametrize(("table", "field"), _FIELDS)
def test_a_change_past_the_application_is_taken_exactly_when_the_schema_takes_it(
    table: str, field: str, alice: Caller, rows: dict[str, str]
) -> None:
    """At and beyond every limit of every field, with the user's own token; and what is refused changes nothing."""
    wrong: list[tuple[object, str]] = []
    for value in _candidates(table, field):
        before = alice.http.get(f"/{table}", params={"id": f"eq.{rows[table]}"}).json()
        stored = _stored(table, field, value)
        if stored and not _written(alice, table, rows[table], {field: stored[0]}):
            wrong.append((value, "refused"))
        if not stored and _written(alice, table, rows[table], {field: value}) and not _is_rounded(field, value):
            wrong.append((value, "taken"))
        if not stored and not _is_rounded(field, value):
            after = alice.http.get(f"/{table}", params={"id": f"eq.{rows[table]}"}).json()
            wrong += [(value, "changed")] if after != before else []
    assert wrong == []


@pytest.mark.parametrize(("table", "field"), _FIELDS)
def test_a_new_row_past_the_application_is_held_to_the_same(
    table: str, field: str, alice: Caller, rows: dict[str, str]
) -> None:
    """Each value that the schema refuses, in a row that is otherwise good."""
    good = {"products": {"title": "New"}, "deals": {"product_id": rows["products"], "supplier": "New"}}[table]
    refused = [value for value in _candidates(table, field) if not _stored(table, field, value)]
    taken = [
        value
        for value in refused
        if alice.http.post(f"/{table}", json={**good, field: value}).is_success and not _is_rounded(field, value)
    ]
    assert (taken, refused != [] or field in {"favorite", "multiple_asins"}) == ([], True)


@pytest.mark.parametrize(("table", "field"), _FIELDS)
def test_a_function_says_422_to_what_the_rules_refuse(
    table: str, field: str, alice: Caller, rows: dict[str, str]
) -> None:
    """Called past the application too: never a server error, which the application would take for an outage."""
    function, key = {"products": ("update_product", "p_product_id"), "deals": ("update_deal", "p_deal_id")}[table]
    for value in _candidates(table, field):
        if not _stored(table, field, value):
            answer = alice.rpc(function, **{key: rows[table], "p_changes": {field: value}})
            assert answer.status_code == 422 or _is_rounded(field, value), (value, answer.text)


@pytest.mark.parametrize("moment", ["2990-01-01", "infinity", "tomorrow"])
def test_no_deal_is_deleted_in_the_future(alice: Caller, rows: dict[str, str], moment: str) -> None:
    """It could be restored for longer than others, and would never be purged. Now is a good moment."""
    deleted = {"active": False, "deleted_at": moment}
    assert _written(alice, "deals", rows["deals"], deleted) == []
    new = {"product_id": rows["products"], "supplier": "New", **deleted}
    assert not alice.http.post("/deals", json=new).is_success
    assert _written(alice, "deals", rows["deals"], {"active": False, "deleted_at": "now"}) != []


def test_every_rule_is_known_to_hold_for_all_rows(stack: Stack) -> None:
    """On a database without rows of another time."""
    assert stack.supabase.sql("select conname from pg_constraint where not convalidated") == []


_BROKEN: Final = """
with product as (insert into products (user_id, title) values (%s, ' Lamp ') returning *)
insert into deals (user_id, product_id, buy_cost) select user_id, id, 9999999999 from product returning id
"""


def test_rows_that_break_a_rule_do_not_stop_the_migration(postgres: PostgresServer) -> None:
    """They stay; a rule that none breaks is validated; changing them through a function is refused, not an error."""
    (rules,) = (file for file in MIGRATIONS if file.name.endswith("_constraints.sql"))
    place = MIGRATIONS.index(rules)
    with postgres.session() as administrator:
        execute(administrator, "create database with_rows template template0")
        try:
            with postgres.session(database="with_rows") as session:
                execute(session, project_sql())
                postgres.migrate(MIGRATIONS[:place], database="with_rows")
                user = new_user(session)
                deal = execute(session, _BROKEN, user)[0]["id"]
                postgres.migrate(MIGRATIONS[place:], database="with_rows")
                unknown = execute(session, "select conname from pg_constraint where not convalidated order by 1")
                assert [row["conname"] for row in unknown] == ["deals_buy_cost_check", "products_title_trimmed"]
                assert execute(session, "select buy_cost from deals where id = %s", deal) == [
                    {"buy_cost": Decimal(9999999999)}
                ]
        finally:
            execute(administrator, "drop database with_rows")
