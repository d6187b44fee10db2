"""Every invalid input is a 4xx problem with a pointer to the field, and changes nothing."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from local.application import AppServer
from local.stack import Stack
from tests.problems import kind_of, pointers
from tests.sellers import Seller, new_seller

_SOME_ID = "0b9e4a86-6f0c-4d0e-9a3e-2f4d8f6f2a11"
_NO_TEXT: tuple[object, ...] = (5, True, [], {"a": "b"}, "NUL \0")

_PRODUCT: dict[str, tuple[object, ...]] = {
    "title": (*_NO_TEXT, None, "", "   ", "x" * 501),
    "brand": (*_NO_TEXT, None, "x" * 201),
    "asin": (*_NO_TEXT, "", "B00000000", "B0000000011", "B00-000000", "B00 000000", "PENDING_01", "\u00df00000000",
             "\u017f000000001", "\uff22000000001", "\u0660123456789"),
    "upc": (12345670, [], "", "1234567", "123456789012345", "1234567a", "1234 5678", "\u06601234567"),
    "multiple_asins": (None, "true", 1, "yes"),
}  # fmt: skip
_DEAL: dict[str, tuple[object, ...]] = {
    "supplier": (*_NO_TEXT, None, "x" * 201),
    "notes": (*_NO_TEXT, None, "x" * 5001),
    "buy_cost": (
        -1,
        "-0.01",
        1.234,
        "0.001",
        1_000_000.01,
        "1e7",
        10**40,
        "NaN",
        "Infinity",
        "",
        "4,20",
        "$4",
        True,
        [],
    ),
    "moq": (0, -1, 1.5, "3", True, 1_000_001, 10**40, []),
    "stage": ("sold", "", "New", None, 1),
    "favorite": (None, "true", 0, "yes"),
}
_UNKNOWN = ("user_id", "id", "asin_status", "active", "created_at", "Title", "a/b~c")


def _cases(fields: dict[str, tuple[object, ...]]) -> list[Any]:
    """Return (body, pointer) for every invalid value. The tests add a valid field, which must not be stored either."""
    return [
        pytest.param({name: value}, f"/{name}", id=f"{name}-{str(value)[:20]!a}")
        for name, values in fields.items()
        for value in values
    ] + [pytest.param({name: "x"}, "/" + name.replace("~", "~0").replace("/", "~1"), id=name) for name in _UNKNOWN]


@pytest.fixture(scope="module")
def owner(stack: Stack, server: AppServer) -> Iterator[Seller]:
    """Return a seller with one deal, and check at the end that their data is unchanged."""
    with new_seller(stack.supabase, server.url) as someone:
        someone.creates(asin="B000000001", supplier="Acme")
        before = someone.sees()
        yield someone
        assert someone.sees() == before


@pytest.fixture(autouse=True)
def _nothing_changes(stack: Stack, owner: Seller) -> Iterator[None]:
    """Compare all of the seller's rows before and after the test, timestamps included."""
    rows = (
        "select to_jsonb(p) as row from products p where user_id = $1"
        " union all select to_jsonb(d) from deals d where user_id = $1"
    )
    before = stack.supabase.sql(rows, owner.id)
    yield
    assert stack.supabase.sql(rows, owner.id) == before


@pytest.fixture
def deal(owner: Seller) -> dict[str, Any]:
    """Return the deal of `owner`."""
    return owner.lists()[0]


@pytest.mark.parametrize(("body", "pointer"), _cases(_PRODUCT | _DEAL))
def test_creating_refuses_an_invalid_field(owner: Seller, body: dict[str, object], pointer: str) -> None:
    """The pointer names the one invalid field."""
    assert pointers(owner.http.post("/products", json={"title": "Good", **body})) == [pointer]


@pytest.mark.parametrize(("body", "pointer"), _cases(_PRODUCT))
def test_changing_a_product_refuses_an_invalid_field(
    owner: Seller, deal: dict[str, Any], body: dict[str, object], pointer: str
) -> None:
    """The pointer names the one invalid field."""
    path = f"/products/{deal['product_id']}"
    good = {"brand": "Good"} if "brand" not in body else {"title": "Good"}
    assert pointers(owner.http.patch(path, json={**good, **body})) == [pointer]


@pytest.mark.parametrize(("body", "pointer"), [*_cases(_DEAL), ({"title": "x"}, "/title"), ({"asin": None}, "/asin")])
def test_changing_a_deal_refuses_an_invalid_field(
    owner: Seller, deal: dict[str, Any], body: dict[str, object], pointer: str
) -> None:
    """The pointer names the one invalid field. Fields of the product are not accepted."""
    path = f"/products/deal/{deal['id']}"
    good = {"notes": "Good"} if "notes" not in body else {"moq": 9}
    assert pointers(owner.http.patch(path, json={**good, **body})) == [pointer]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"action": "explode"}, ["/action"]),
        ({"action": "DELETE"}, ["/action"]),
        ({"action": None}, ["/action"]),
        ({"action": ["delete"]}, ["/action"]),
        ({"deal_ids": []}, ["/deal_ids"]),
        ({"deal_ids": None}, ["/deal_ids"]),
        ({"deal_ids": _SOME_ID}, ["/deal_ids"]),
        ({"deal_ids": {"0": _SOME_ID}}, ["/deal_ids"]),
        ({"deal_ids": [str(uuid4()) for _ in range(1001)]}, ["/deal_ids"]),
        ({"deal_ids": [_SOME_ID, _SOME_ID]}, ["/deal_ids"]),
        ({"deal_ids": [_SOME_ID, _SOME_ID.upper()]}, ["/deal_ids"]),
        ({"deal_ids": [_SOME_ID, "5", None, 7, ""]}, [f"/deal_ids/{index}" for index in (1, 2, 3, 4)]),
        ({"action": "move"}, ["/stage"]),
        ({"action": "move", "stage": None}, ["/stage"]),
        ({"action": "move", "stage": "sold"}, ["/stage"]),
        ({"stage": "ordered"}, ["/stage"]),
        ({"user_id": _SOME_ID}, ["/user_id"]),
        ({"action": "x", "deal_ids": [], "y": 1}, ["/action", "/deal_ids", "/y"]),
    ],
)
def test_a_bulk_action_refuses_invalid_input(
    owner: Seller, deal: dict[str, Any], body: dict[str, object], expected: list[str]
) -> None:
    """All mistakes are reported together. The pointer of an invalid id has its index."""
    good = {"action": "delete", "deal_ids": [deal["id"]]}
    assert pointers(owner.http.post("/products/bulk-action", json={**good, **body})) == expected


@pytest.mark.parametrize("missing", ["action", "deal_ids"])
def test_a_bulk_action_requires_an_action_and_deals(owner: Seller, deal: dict[str, Any], missing: str) -> None:
    """The pointer names the missing field."""
    whole: dict[str, object] = {"action": "delete", "deal_ids": [deal["id"]]}
    del whole[missing]
    assert pointers(owner.http.post("/products/bulk-action", json=whole)) == [f"/{missing}"]


def test_a_product_requires_a_title(owner: Seller) -> None:
    """It is the only required field."""
    assert pointers(owner.http.post("/products", json={"supplier": "Bolt"})) == ["/title"]


def _cursor(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


_TIME = "2026-01-01T00:00:00+00:00"
_BAD_CURSORS = [
    "", "x", "%%%", "\u00e9", "A" * 3000, "A" * 4001, _cursor(b""), _cursor(b"\xff\xfe"), _cursor("text"),
    _cursor(None), _cursor({}), _cursor([]), _cursor(["-created_at", _TIME]),
    _cursor(["-created_at", _TIME, _SOME_ID, "more"]),
    _cursor(["title", "Lamp", _SOME_ID]), _cursor(["created_at", _TIME, _SOME_ID]), _cursor([None, _TIME, _SOME_ID]),
    _cursor(["-created_at", _TIME, "no id"]), _cursor(["-created_at", _TIME, 5]), _cursor(["-created_at", _TIME, None]),
    _cursor(["-created_at", None, _SOME_ID]), _cursor(["-created_at", 5, _SOME_ID]),
    _cursor(["-created_at", [], _SOME_ID]),
    _cursor(["-created_at", "yesterday", _SOME_ID]), _cursor(["-created_at", "2026-01-01", _SOME_ID]),
    _cursor(["-created_at", "2026-W01-1T00:00:00+00:00", _SOME_ID]),
    _cursor(["-created_at", f"{_TIME}'; drop table deals; --", _SOME_ID]), _cursor(b"[" * 2900),
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        *(({"cursor": cursor}, "/cursor") for cursor in _BAD_CURSORS),
        *(({"sort": "buy_cost", "cursor": _cursor(["buy_cost", value, _SOME_ID])}, "/cursor")
          for value in (None, "", "NaN", "sNaN", "lamp", "1 or 1=1")),
        *(({"sort": "title", "cursor": _cursor(["title", value, _SOME_ID])}, "/cursor")
          for value in (None, "NUL \0", "\ud800")),
        *(({"limit": value}, "/limit") for value in ("0", "-1", "201", "ten", "1.5", "", "9" * 4500)),
        *(({"sort": value}, "/sort") for value in ("updated_at", "--title", "", "title desc")),
        *(({"stage": value}, "/stage") for value in ("sold", "")),
        *(({"asin_status": value}, "/asin_status") for value in ("all", "")),
        *(({"favorite": value}, "/favorite") for value in ("perhaps", "")),
        *(({"search": value}, "/search") for value in ("", "x", "  x  ", "x" * 201, "NUL \0")),
        ({"user_id": _SOME_ID}, "/user_id"),
        ({"offset": "10"}, "/offset"),
    ],
)  # fmt: skip
def test_a_list_refuses_invalid_parameters(owner: Seller, query: dict[str, str], pointer: str) -> None:
    """Filters, order, page size and cursors."""
    answer = owner.http.get("/products", params=query)
    assert (pointers(answer), kind_of(answer)) == ([pointer], "invalid-parameters")


@pytest.mark.parametrize("query", [{"hard": "perhaps"}, {"hard": ""}, {"force": "true"}])
def test_deleting_refuses_invalid_parameters(owner: Seller, deal: dict[str, Any], query: dict[str, str]) -> None:
    """A misspelt flag must not turn a hard delete into a soft one, or the reverse."""
    path = f"/products/deal/{deal['id']}"
    assert pointers(owner.http.delete(path, params=query)) == [f"/{next(iter(query))}"]
