"""`GET /products/queue`."""

import base64

import pytest

from tests.matching.deciding import Decider, ok
from tests.problems import pointers
from tests.sellers import Seller

_STATUSES = ("asin_found", "needs_selection", "needs_asin", "manual_entry")


def test_a_queue_has_the_order_of_the_list(decider: Decider) -> None:
    """Newest deal first, each product once, although it has several deals. The last answer is empty."""
    products = [decider.product(number) for number in range(3)]
    decider.seller.creates(upc=products[0]["upc"], supplier="Bolt")
    found: list[str] = []
    query: dict[str, str] = {}
    while (step := decider.queue("needs_asin", **query))["product"]:
        found.append(step["product"]["id"])
        query = {"after": step["next_cursor"]}
    assert found == [products[0]["id"], products[2]["id"], products[1]["id"]]
    assert step == {"product": None, "next_cursor": None}


def test_a_queue_shows_the_whole_product(decider: Decider) -> None:
    """As `GET /products/<id>` does."""
    product = decider.product(1)
    decider.proposes(product["id"], "B000000001", "B000000002")
    assert decider.queue("needs_selection")["product"] == decider.sees(product["id"])


def test_the_queue_moves_on_while_products_are_decided(decider: Decider) -> None:
    """A product that was decided is not in it any more. The cursor of a decided product still works."""
    products = [decider.product(number)["id"] for number in range(4)]
    first = decider.queue("needs_asin")
    assert first["product"]["id"] == products[3]
    for number in (3, 2):
        ok(decider.chooses(products[number], f"B00000000{number}"))
    assert decider.queue("needs_asin")["product"]["id"] == products[1]
    assert decider.queue("needs_asin", after=first["next_cursor"])["product"]["id"] == products[1]
    decider.product(9)
    assert decider.queue("needs_asin", after=first["next_cursor"])["product"]["id"] == products[1]


@pytest.mark.parametrize("status", _STATUSES)
def test_each_status_has_a_queue(decider: Decider, status: str) -> None:
    """A product is in one of them. One without an active deal is in none."""
    fields: dict[str, dict[str, object]] = {
        "asin_found": {"asin": "B000000001"},
        "needs_selection": {"multiple_asins": True},
        "manual_entry": {"upc": None},
    }
    product = decider.product(1, **fields.get(status, {}))
    queued = {name: decider.queue(name)["product"] for name in _STATUSES}
    assert {name for name, found in queued.items() if found} == {status}
    assert queued[status]["id"] == product["id"]
    decider.seller.deletes(product["deals"][0]["id"])
    assert decider.queue(status)["product"] is None


def test_an_unchanged_answer_is_not_sent_again(decider: Decider) -> None:
    """304 while the next product is the same."""
    product = decider.product(1)
    http, query = decider.seller.http, {"asin_status": "needs_asin"}
    tag = http.get("/products/queue", params=query).headers["ETag"]
    same = http.get("/products/queue", params=query, headers={"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    decider.proposes(product["id"], "B000000001")
    assert http.get("/products/queue", params=query, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({}, "/asin_status"),
        ({"asin_status": "found"}, "/asin_status"),
        ({"asin_status": "needs_asin", "after": "x"}, "/after"),
        ({"asin_status": "needs_asin", "after": ""}, "/after"),
        ({"asin_status": "needs_asin", "limit": 5}, "/limit"),
    ],
)
def test_invalid_parameters_are_refused(seller_of_module: Seller, query: dict[str, str], wrong: str) -> None:
    """422 with a pointer to the parameter."""
    assert pointers(seller_of_module.http.get("/products/queue", params=query)) == [wrong]


@pytest.mark.parametrize("value", ["yesterday", "2026-11-28", "9999-99-99T00:00:00+00:00"])
def test_an_invalid_value_in_a_cursor_is_refused(seller_of_module: Seller, value: str) -> None:
    """422, and not an error of the database."""
    raw = f'["-created_at","{value}","00000000-0000-4000-8000-000000000000"]'
    cursor = base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")
    answer = seller_of_module.http.get("/products/queue", params={"asin_status": "needs_asin", "after": cursor})
    assert pointers(answer) == ["/after"]
