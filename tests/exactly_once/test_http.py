"""Idempotency-Key, If-Match and If-None-Match over HTTP."""

from typing import Any

import httpx
import pytest
from redis import Redis

from local.stack import Stack
from tests.problems import problem
from tests.sellers import Seller

_STALE = '"00000000000000000000000000000000"'
_CANDIDATE = {"asin": "B000000009"}
_UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


def _changes(deal: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any] | None]]:
    """Return one request of each route that obeys the header, as (method, path, body)."""
    path = f"/products/deal/{deal['id']}"
    return {
        "create": ("POST", "/products", {"title": "Lamp"}),
        "update a product": ("PATCH", f"/products/{deal['product_id']}", {"brand": "Lux"}),
        "update a deal": ("PATCH", path, {"notes": "first"}),
        "bulk action": ("POST", "/products/bulk-action", {"action": "favorite", "deal_ids": [deal["id"]]}),
        "replace candidates": ("PUT", f"/products/{deal['product_id']}/candidates", {"candidates": [_CANDIDATE]}),
        "decide": ("POST", f"/products/{deal['product_id']}/asin", _CANDIDATE),
        "decide many": (
            "POST",
            "/products/bulk-asin",
            {"rows": [{"product_id": deal["product_id"], **_CANDIDATE}]},
        ),
        "delete": ("DELETE", path, None),
        "delete permanently": ("DELETE", f"{path}?hard=true", None),
    }


def _sends(seller: Seller, change: tuple[str, str, Any], **headers: str) -> httpx.Response:
    method, path, body = change
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return seller.http.request(method, path, json=body, headers=named)


@pytest.mark.parametrize("name", _changes({"id": "", "product_id": ""}))
def test_the_same_key_gets_the_same_answer(seller: Seller, name: str) -> None:
    """Status, body, ETag and Location are those of the first answer, and the rows stay as they are."""
    deal = seller.creates()
    change = _changes(deal)[name]
    first = _sends(seller, change, Idempotency_Key='"k-1"')
    assert first.is_success, first.text
    seller.creates(title="Lamp", notes="changed meanwhile")
    before = seller.sees(), seller.lists(active="false")
    again = _sends(seller, change, Idempotency_Key="k-1")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for header in ("ETag", "Location"):
        assert again.headers.get(header) == first.headers.get(header)
    assert (seller.sees(), seller.lists(active="false")) == before


@pytest.mark.parametrize("name", _changes({"id": "", "product_id": ""}))
def test_another_request_with_the_same_key_is_refused(seller: Seller, name: str) -> None:
    """422, and nothing is changed."""
    deal = seller.creates()
    assert seller.http.post("/products", json={"title": "First"}, headers={"Idempotency-Key": "k"}).is_success
    before = seller.sees()
    refusal = problem(_sends(seller, _changes(deal)[name], Idempotency_Key="k"), 422)
    assert "already used for another change" in refusal["detail"]
    assert seller.sees() == before


def test_the_order_of_the_members_does_not_matter(seller: Seller) -> None:
    """It is the same change."""
    bodies = ['{"title": "Lamp", "moq": 2}', '{"moq":2,"title":"Lamp"}']
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answers = [seller.http.post("/products", content=body, headers=headers) for body in bodies]
    assert [answer.status_code for answer in answers] == [201, 201]


def test_a_refused_request_can_be_corrected_with_the_same_key(seller: Seller) -> None:
    """Invalid input, a conflict, and a deal that does not exist use up no key."""
    seller.creates(asin="B000000001")
    other = seller.creates()
    key = {"Idempotency-Key": "k"}
    assert seller.http.post("/products", json={"title": ""}, headers=key).status_code == 422
    path = f"/products/{other['product_id']}"
    assert seller.http.patch(path, json={"asin": "B000000001"}, headers=key).status_code == 409
    assert seller.http.delete(f"/products/deal/{_UNKNOWN_ID}", headers=key).status_code == 404
    assert seller.http.patch(path, json={"asin": "B000000002"}, headers=key).status_code == 200


@pytest.mark.parametrize(
    "key", ["", '"', '""', '"a', 'a"b', "a b", '"a b"', "a,b", "a;b=1", '"a";b=1', "a\\b", "\xe9", "x" * 256]
)
def test_an_invalid_key_is_refused(seller: Seller, key: str) -> None:
    """400, and nothing is changed."""
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    answer = seller.http.post("/products", json={"title": "Lamp"}, headers=headers)
    assert "1 to 255 visible ASCII" in problem(answer, 400)["detail"]
    assert seller.lists() == []


@pytest.mark.parametrize("key", ["x" * 255, r'"a\"b\\c"', '"a,b;c"', "8e03978e-40d5-43e8-bc93-6894a57f9324", "YQ=="])
def test_a_valid_key_is_accepted(seller: Seller, key: str) -> None:
    """As a string in quotes or without quotes."""
    for _ in range(2):
        assert (
            seller.http.post("/products", json={"title": "Lamp"}, headers={"Idempotency-Key": key}).status_code == 201
        )


def test_a_repeated_change_leaves_the_current_numbers_in_the_cache(seller: Seller, redis: Redis) -> None:
    """They are those of now, not those after the first request."""
    lamp = ("POST", "/products", {"title": "Lamp"})
    _sends(seller, lamp, Idempotency_Key="k")
    seller.creates()
    redis.delete(seller.key)
    _sends(seller, lamp, Idempotency_Key="k")
    answer = seller.reads_stats()
    assert (answer.json()["all"], "; hit" in answer.headers["Cache-Status"]) == (2, True)


def test_a_changed_deal_is_not_overwritten(seller: Seller) -> None:
    """412 with the current tag, with which the change then succeeds. Weak tags never match."""
    deal = seller.creates()
    for name in ("update a product", "replace candidates", "decide", "update a deal", "delete"):
        change = _changes(deal)[name]
        read = change[1].removesuffix("/candidates").removesuffix("/asin")
        current = seller.http.get(read, headers={"Accept-Encoding": "identity"}).headers["ETag"]
        for stale in (_STALE, f"W/{current}", f"{_STALE}, W/{current}", '"*"', ""):
            answer = _sends(seller, change, If_Match=stale)
            assert problem(answer, 412)["current_etag"] == current.strip('"')
            assert answer.headers["ETag"] == current
        assert _sends(seller, change, If_Match=f"{_STALE}, {current}").is_success
    assert seller.http.get(f"/products/deal/{deal['id']}").json()["active"] is False


def test_the_tag_of_a_changed_deal_allows_the_next_change(seller: Seller) -> None:
    """The header, the member of the body, and the entry of the list have the same tag."""
    made = seller.http.post("/products", json={"title": "Lamp"})
    path = made.headers["Location"]
    tag = made.headers["ETag"]
    for notes in ("first", "second"):
        assert seller.lists()[0]["etag"] == tag.strip('"')
        assert seller.http.get(path).headers["ETag"] == tag
        changed = seller.http.patch(path, json={"notes": notes}, headers={"If-Match": tag})
        assert (changed.status_code, changed.json()["etag"]) == (200, changed.headers["ETag"].strip('"'))
        tag = changed.headers["ETag"]
    problem(seller.http.patch(path, json={"notes": "late"}, headers={"If-Match": made.headers["ETag"]}), 412)


def test_if_match_is_ignored_where_there_is_nothing_to_compare(seller: Seller) -> None:
    """An unknown deal is 404, a deleted one is 410, and POST does not compare."""
    deal = seller.http.post("/products", json={"title": "Lamp"}, headers={"If-Match": _STALE}).json()
    seller.deletes(deal["id"])
    for deal_id, status in ((_UNKNOWN_ID, 404), (deal["id"], 410)):
        for given in (_STALE, f"W/{_STALE}", '""'):
            headers = {"If-Match": given}
            problem(seller.http.patch(f"/products/deal/{deal_id}", json={"notes": "x"}, headers=headers), status)
    assert seller.bulk("restore", deal["id"]).is_success
    assert seller.http.delete(f"/products/deal/{deal['id']}", headers={"If-Match": "*"}).status_code == 204


def test_an_unchanged_document_is_not_sent_again(seller: Seller) -> None:
    """304 without a body for products, deals and pages. After a change, 200 with another tag."""
    deal = seller.creates()
    for path in (f"/products/{deal['product_id']}", f"/products/deal/{deal['id']}", "/products"):
        tag = seller.http.get(path).headers["ETag"]
        for sent in (tag, f"W/{tag}", f"{_STALE}, {tag}"):
            same = seller.http.get(path, headers={"If-None-Match": sent, "If-Match": _STALE})
            assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
        assert same.headers["Cache-Control"] == "private, no-cache"
        seller.http.patch(f"/products/deal/{deal['id']}", json={"notes": path})
        changed = seller.http.get(path, headers={"If-None-Match": tag})
        assert (changed.status_code, changed.headers["ETag"] == tag) == (200, False)


def test_a_deal_is_returned_also_when_it_is_deleted(seller: Seller, other_seller: Seller) -> None:
    """Another seller's deal is not found."""
    deal = seller.creates()
    path = f"/products/deal/{deal['id']}"
    assert seller.http.get(path).json() == deal
    problem(other_seller.http.get(path), 404)
    problem(seller.http.get(f"/products/deal/{_UNKNOWN_ID}"), 404)
    seller.deletes(deal["id"])
    assert seller.http.get(path).json()["active"] is False


def test_deleted_deals_can_be_listed(seller: Seller) -> None:
    """With the same filters, order and pages as active deals."""
    deals = [seller.creates(stage=stage)["id"] for stage in ("new", "ordered", "ordered", "new")]
    seller.bulk("delete", *deals[:3])
    assert [deal["id"] for deal in seller.lists()] == [deals[3]]
    deleted = {"active": "false", "sort": "created_at"}
    assert [deal["id"] for deal in seller.lists(**deleted)] == deals[:3]
    assert [deal["id"] for deal in seller.lists(**deleted, stage="ordered")] == deals[1:3]
    first = seller.http.get("/products", params={**deleted, "limit": 2})
    following = seller.http.get(first.links["next"]["url"]).json()
    assert [deal["id"] for deal in first.json()["items"] + following["items"]] == deals[:3]


def test_a_purge_of_keys_makes_them_usable_again(seller: Seller, stack: Stack) -> None:
    """The answers are in a schema that no role may use."""
    for role in ("anon", "authenticated", "service_role"):
        usage = "select has_schema_privilege($1, 'idempotency', 'usage') as usage"
        assert stack.supabase.sql(usage, role) == [{"usage": False}]
    seller.http.post("/products", json={"title": "Lamp"}, headers={"Idempotency-Key": "k"})
    stored = "select count(*)::int as n from idempotency.answers where user_id = $1"
    assert stack.supabase.sql(stored, seller.id) == [{"n": 1}]
    stack.supabase.sql(
        "update idempotency.answers set created_at = now() - interval '2 days' where user_id = $1", seller.id
    )
    stack.supabase.sql("select purge_idempotency_keys()")
    assert stack.supabase.sql(stored, seller.id) == [{"n": 0}]
