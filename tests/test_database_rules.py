"""The database's constraints accept and refuse the same values as the schemas, for direct writes by users too."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import httpx
import pytest
from pydantic import BaseModel, ValidationError

from app.products.matching.schemas import ListingFields
from app.products.schemas import DealFields, ProductFields
from local.stack import Stack
from tests.callers import Caller
from tests.candidates import A, B, puts

_MODELS: Final[dict[str, type[BaseModel]]] = {
    "products": ProductFields, "deals": DealFields, "candidates": ListingFields,
}  # fmt: skip
_KEYS: Final = {"products": "id", "deals": "id", "candidates": "product_id"}
_FIELDS: Final = [(table, field) for table, model in _MODELS.items() for field in model.model_fields]
_RETURNED: Final = {"Prefer": "return=representation"}
# Every character that a version of Unicode or a `trim` function treats as a space, and other problematic characters.
_SPACES: Final = [
    *(chr(code) for code in (*range(1, 0x21), 0x7F, 0x85, 0xA0, 0xAD, 0x1680, 0x180E)),
    *(chr(code) for code in (*range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF)),
]
_TEXTS: Final = [
    "", "x", "é漢😀", "null", "\\", "{}", " ", "\u3000", *(f"x{space}" for space in _SPACES), "\u00a0x", "\u200bx",
    "http://a", "https://", *(f"https://a{end}" for end in ("", " ", " b", "\u00e9", "\u0001", "b" * 1991, "b" * 1992)),
]  # fmt: skip
_CODES: Final = [
    *(digits * count for digits in ("1", "A", "a", "\u0661", "é") for count in (7, 8, 9, 10, 11, 14, 15)),
    "B00-000000", "b000000001", "\u00df00000000", "\u017f000000001", "1234567a", "1234567\n", "B00000000\n",
    "73513537", "73513538", "12345678905", "12345678906", "012345678905", "4006381333931", "98412345678901",
]  # fmt: skip
_NUMBERS: Final = [
    Decimal(number)
    for number in ("-1e6", "0.1", "9.99", "12.5", "1e3", "9999999999", "9999999999.99", "1e20")
]  # fmt: skip


def _bounds(schema: dict[str, Any]) -> Iterator[object]:
    """Yield values at and beyond every limit in the JSON schema of a field."""
    for variant in schema.get("anyOf", [schema]):
        kind = variant.get("type")
        if kind == "string":
            ends = [variant[name] for name in ("minLength", "maxLength") if name in variant]
            lengths = [end + step for end in ends for step in (-1, 0, 1)]
            yield from ("x" * length for length in lengths if length >= 0)
            yield from ("😀" * length for length in lengths if length > 0)
            yield from [*_TEXTS, *_CODES, "NaN", "Infinity", "4,20", "1e7"]
            yield from [*variant.get("enum", []), "sold", "New"] if "enum" in variant else []
        elif kind in {"integer", "number"}:
            steps = ["-1", "0", "1"] if kind == "integer" else ["-1", "-0.01", "0", "0.01", "1"]
            limits = [Decimal(variant[name]) for name in ("minimum", "maximum") if name in variant]
            yield from (limit + Decimal(step) for limit in limits for step in steps)
            yield from _NUMBERS
        elif kind == "boolean":
            yield from (True, False)
    yield None


def _values(table: str, field: str) -> list[object]:
    """Return each value once, as JSON represents it: numbers as numbers."""
    schema = _MODELS[table].model_json_schema()["properties"][field]
    values = {json.dumps(_plain(value)): _plain(value) for value in _bounds(schema)}
    return list(values.values())


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _stored(table: str, field: str, value: object) -> list[object]:
    """Return a list with the value that the application stores for `value`; empty if it refuses."""
    try:
        return [_MODELS[table].model_validate_json(json.dumps({field: value})).model_dump(mode="json")[field]]
    except ValidationError:
        return []


def _is_rounded(field: str, value: object) -> bool:
    """Return whether the column rounds `value` to a valid amount. Rounding happens before any constraint."""
    if field != "buy_cost" or not isinstance(value, float):
        return False
    return bool(_stored("deals", field, float(round(Decimal(str(value)), 2))))


@pytest.fixture
def rows(alice: Caller) -> dict[str, str]:
    """Return the ids of one of Alice's products, of its deal, and again of the product, which has one candidate."""
    deal = alice.creates(title="Lamp", deal={"supplier": "Acme"})
    puts(alice, deal["product_id"], A)
    return {"products": deal["product_id"], "deals": deal["id"], "candidates": deal["product_id"]}


def _read(caller: Caller, table: str, row: str) -> list[Any]:
    """Return the row as a list, without the application."""
    return list(caller.http.get(f"/{table}", params={_KEYS[table]: f"eq.{row}"}).json())


def _write(caller: Caller, table: str, row: str, body: dict[str, object]) -> list[Any]:
    """Change a row without the application; return the changed rows, or none if refused."""
    answer = caller.http.patch(f"/{table}", params={_KEYS[table]: f"eq.{row}"}, json=body, headers=_RETURNED)
    return list(answer.json()) if answer.is_success else []


@pytest.mark.parametrize(("table", "field"), _FIELDS)
def test_the_database_accepts_exactly_the_changes_that_the_schema_accepts(
    table: str, field: str, alice: Caller, rows: dict[str, str]
) -> None:
    """At and beyond every limit of every field, with the user's own token. A refused change alters nothing."""
    wrong: list[tuple[object, str]] = []
    for value in _values(table, field):
        before = _read(alice, table, rows[table])
        stored = _stored(table, field, value)
        if stored and not _write(alice, table, rows[table], {field: stored[0]}):
            wrong.append((value, "refused"))
        if not stored and _write(alice, table, rows[table], {field: value}) and not _is_rounded(field, value):
            wrong.append((value, "accepted"))
        if not stored and not _is_rounded(field, value):
            wrong += [(value, "changed")] if _read(alice, table, rows[table]) != before else []
    assert wrong == []


@pytest.mark.parametrize(("table", "field"), _FIELDS)
def test_the_database_refuses_new_rows_that_the_schema_refuses(
    table: str, field: str, alice: Caller, rows: dict[str, str]
) -> None:
    """Tries each value that the schema refuses, in a row that is otherwise valid."""
    good = {
        "products": {"title": "New"},
        "deals": {"product_id": rows["products"], "supplier": "New"},
        "candidates": {"product_id": rows["products"], "asin": B},
    }[table]
    refused = [value for value in _values(table, field) if not _stored(table, field, value)]
    accepted = [
        value
        for value in refused
        if alice.http.post(f"/{table}", json={**good, field: value}).is_success and not _is_rounded(field, value)
    ]
    assert (accepted, refused != [] or field in {"favorite", "multiple_asins"}) == ([], True)


@pytest.mark.parametrize(("table", "field"), _FIELDS)
def test_functions_answer_422_to_values_that_the_schema_refuses(
    table: str, field: str, alice: Caller, rows: dict[str, str]
) -> None:
    """Direct calls get 422 too. A server error would look like an outage to the application."""
    for value in _values(table, field):
        if table == "candidates" and value is None:
            continue  # put_candidates takes it as a missing value
        if not _stored(table, field, value):
            answer = _change(alice, table, rows[table], {field: value})
            assert answer.status_code == 422 or _is_rounded(field, value), (value, answer.text)


def _change(caller: Caller, table: str, row: str, values: dict[str, object]) -> httpx.Response:
    """Change a row with the function that changes it."""
    if table == "candidates":
        return caller.rpc("put_candidates", p_product_id=row, p_candidates=[{"asin": A, **values}])
    function, key = {"products": ("update_product", "p_product_id"), "deals": ("update_deal", "p_deal_id")}[table]
    return caller.rpc(function, **{key: row, "p_changes": values})


@pytest.mark.parametrize("moment", ["2990-01-01", "infinity", "tomorrow"])
def test_deleted_at_cannot_be_in_the_future(alice: Caller, rows: dict[str, str], moment: str) -> None:
    """Such a deal could be restored for longer than others, and would never be purged. "now" is accepted."""
    deleted = {"active": False, "deleted_at": moment}
    assert _write(alice, "deals", rows["deals"], deleted) == []
    new = {"product_id": rows["products"], "supplier": "New", **deleted}
    assert not alice.http.post("/deals", json=new).is_success
    assert _write(alice, "deals", rows["deals"], {"active": False, "deleted_at": "now"}) != []


def test_every_constraint_is_validated(stack: Stack) -> None:
    """No constraint of the baseline is marked as not valid."""
    assert stack.supabase.sql("select conname from pg_constraint where not convalidated") == []
