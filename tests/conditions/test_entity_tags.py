"""Entity tags: a client sees whether a product or deal was changed, and overwrites no change it has not seen."""

from collections.abc import Callable

import httpx
import pytest

from tests.problems import kind_of, problem
from tests.sellers import Seller

_UNKNOWN = "00000000-0000-4000-8000-000000000000"
_DOCUMENTS = pytest.mark.parametrize("kind", ["product", "deal"])


def _path(deal: dict[str, str], kind: str) -> str:
    return f"/products/{deal['product_id']}" if kind == "product" else f"/products/deal/{deal['id']}"


def _etag(seller: Seller, path: str) -> str:
    answer = seller.http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["ETag"] == f'"{answer.json()["etag"]}"'
    assert answer.headers["Cache-Control"] == "private, no-cache"
    return answer.headers["ETag"]


@_DOCUMENTS
@pytest.mark.parametrize(
    "change",
    [
        lambda seller, deal: seller.http.patch(_path(deal, "product"), json={"brand": "New"}),
        lambda seller, deal: seller.http.patch(_path(deal, "deal"), json={"notes": "New"}),
        lambda seller, deal: seller.bulk("favorite", deal["id"]),
        lambda seller, deal: seller.deletes(deal["id"]),
        lambda seller, deal: seller.http.post("/products", json={"title": deal["title"], "moq": 7}),
    ],
    ids=["product", "deal", "bulk action", "delete", "overwrite"],
)
def test_each_change_of_a_document_changes_its_tag(
    seller: Seller, kind: str, change: Callable[[Seller, dict[str, str]], httpx.Response]
) -> None:
    """A deal contains its product and a product its deals, so that a change of either changes both tags."""
    made = seller.creates(title="Lamp")
    deal = {"id": made["id"], "product_id": made["product_id"], "title": "Lamp"}
    before = _etag(seller, _path(deal, kind))
    assert _etag(seller, _path(deal, kind)) == before
    assert change(seller, deal).is_success
    assert _etag(seller, _path(deal, kind)) != before


@_DOCUMENTS
def test_a_change_that_changes_nothing_keeps_the_tag(seller: Seller, kind: str) -> None:
    """The answer to a change has the new tag, so a client needs no further request."""
    path = _path(seller.creates(), kind)
    changes = {"title": "Lamp"} if kind == "product" else {"moq": 7}
    changed = seller.http.patch(path, json=changes)
    assert changed.headers["ETag"] == _etag(seller, path)
    assert seller.http.patch(path, json=changes).headers["ETag"] == changed.headers["ETag"]


def test_a_new_deal_has_a_location_and_a_tag(seller: Seller) -> None:
    """Location is the address of the deal that was made or overwritten."""
    for status in (201, 200):
        made = seller.http.post("/products", json={"title": "Lamp"})
        assert made.status_code == status
        found = seller.http.get(made.headers["Location"])
        assert found.json() == made.json()
        assert found.headers["ETag"] == made.headers["ETag"]


def test_a_deleted_deal_can_be_read_and_listed(seller: Seller) -> None:
    """`active=false` lists deleted deals only. Another seller's deals do not exist."""
    kept, gone = seller.creates()["id"], seller.creates()["id"]
    seller.deletes(gone)
    found = seller.http.get(f"/products/deal/{gone}").json()
    assert (found["id"], found["active"]) == (gone, False)
    assert [deal["id"] for deal in seller.lists()] == [kept]
    assert seller.lists(active="false") == [found]
    assert problem(seller.http.get(f"/products/deal/{_UNKNOWN}"), 404)["kind"] == "not-found"


def test_the_deal_of_another_seller_does_not_exist(seller: Seller, other_seller: Seller) -> None:
    """404, also with an entity tag that could be right."""
    deal = other_seller.creates()["id"]
    assert problem(seller.http.get(f"/products/deal/{deal}"), 404)
    for if_match in ("*", _etag(other_seller, f"/products/deal/{deal}")):
        refused = seller.http.patch(f"/products/deal/{deal}", json={"moq": 7}, headers={"If-Match": if_match})
        assert problem(refused, 404)


@_DOCUMENTS
def test_an_unchanged_document_is_not_sent_again(seller: Seller, kind: str) -> None:
    """304 for If-None-Match with the current tag, also as a weak tag and in a list of tags."""
    path = _path(seller.creates(), kind)
    etag = _etag(seller, path)
    for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = seller.http.get(path, headers={"If-None-Match": given})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)
        assert "Content-Type" not in answer.headers
    assert seller.http.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert seller.http.get(path, headers={"If-Match": '"other"'}).status_code == 200  # meant for changes


def test_an_unchanged_page_is_not_sent_again(seller: Seller) -> None:
    """The tag of a page changes with its deals and with the filter."""
    deal = seller.creates()["id"]
    etag = seller.http.get("/products").headers["ETag"]
    assert seller.http.get("/products", headers={"If-None-Match": etag}).status_code == 304
    assert seller.http.get("/products?active=false").headers["ETag"] != etag
    seller.http.patch(f"/products/deal/{deal}", json={"moq": 7})
    assert seller.http.get("/products", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize(
    ("kind", "method", "content"),
    [
        ("product", "PATCH", b'{"brand": "New"}'),
        ("deal", "PATCH", b'{"moq": 8}'),
        ("deal", "DELETE", b""),
    ],
)
def test_a_change_needs_the_current_tag(seller: Seller, kind: str, method: str, content: bytes) -> None:
    """412 with the current tag, and nothing is changed. The change succeeds with that tag."""
    path = _path(seller.creates(), kind)
    old = _etag(seller, path)
    seller.http.patch(path, json={"title": "Lamp"} if kind == "product" else {"moq": 7})
    current = _etag(seller, path)
    json = {"Content-Type": "application/json"}
    for given in (old, f"W/{current}", f'"other", {old}'):
        refused = seller.http.request(method, path, headers={**json, "If-Match": given}, content=content)
        assert kind_of(refused) == "precondition-failed"
        assert (refused.headers["ETag"], f'"{refused.json()["current_etag"]}"') == (current, current)
    assert _etag(seller, path) == current
    changed = seller.http.request(method, path, headers={**json, "If-Match": f"{old}, {current}"}, content=content)
    assert changed.is_success
    assert _etag(seller, path) != current


def test_any_tag_matches_what_exists(seller: Seller) -> None:
    """`If-Match: *`. What does not exist is 404 with and without the header."""
    deal = seller.creates()["id"]
    changed = seller.http.patch(f"/products/deal/{deal}", json={"moq": 7}, headers={"If-Match": "*"})
    assert changed.status_code == 200
    for path in (f"/products/deal/{_UNKNOWN}", f"/products/{_UNKNOWN}"):
        assert problem(seller.http.patch(path, json={}, headers={"If-Match": "*"}), 404)


def test_of_two_clients_with_the_same_tag_one_succeeds(seller: Seller) -> None:
    """The second change would overwrite the first, which its client has not seen."""
    path = f"/products/deal/{seller.creates()['id']}"
    seen = {"If-Match": _etag(seller, path)}
    assert seller.http.patch(path, json={"notes": "first"}, headers=seen).status_code == 200
    assert problem(seller.http.patch(path, json={"notes": "second"}, headers=seen), 412)
    assert seller.http.get(path).json()["notes"] == "first"
