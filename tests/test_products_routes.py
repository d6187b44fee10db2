"""The routes of the products API with valid requests."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.problems import pointers, problem
from tests.sellers import Seller

_FULL = {
    "title": "  Desk lamp  ", "brand": "Lux", "asin": "b00abcdefg", "upc": "012345678905", "multiple_asins": True,
    "supplier": "Acme", "buy_cost": 12.5, "moq": 3, "stage": "contacted", "favorite": True, "notes": "call back",
}  # fmt: skip


def test_creating_adds_a_product_and_its_deal(seller: Seller) -> None:
    """201 with every field: text is trimmed, the ASIN is in upper case, money is text with two decimals."""
    answer = seller.http.post("/products", json=_FULL)
    assert answer.status_code == 201, answer.text
    deal = answer.json()
    expected = {**_FULL, "title": "Desk lamp", "asin": "B00ABCDEFG", "buy_cost": "12.50"}
    assert {**deal["product"], **deal}.items() >= expected.items()
    assert deal["product"]["asin_status"] == "asin_found"
    assert deal["active"] is True
    assert answer.headers["Location"] == f"/products/deal/{UUID(deal['id'])}"
    assert seller.http.get(answer.headers["Location"]).json() == deal


def test_creating_a_deal_again_updates_it(seller: Seller) -> None:
    """200 and no second deal for the same ASIN and supplier in any letter case. A deleted deal is restored."""
    first = seller.creates(asin="B000000001", supplier="Acme", moq=1)
    seller.deletes(first["id"])
    again = seller.http.post("/products", json={"title": "x", "asin": "b000000001", "supplier": "ACME", "moq": 7})
    assert again.status_code == 200
    assert (again.json()["id"], again.json()["moq"], again.json()["active"]) == (first["id"], 7, True)
    assert seller.stats()["all"] == 1


def test_another_supplier_is_another_deal_of_the_same_product(seller: Seller) -> None:
    """The product counts once."""
    deals = [seller.creates(asin="B000000001", supplier=name) for name in ("Acme", "Bolt")]
    assert len({deal["id"] for deal in deals}) == 2
    assert len({deal["product_id"] for deal in deals}) == 1
    assert seller.stats()["all"] == 1


@pytest.mark.parametrize(("cost", "stored"), [(0, "0.00"), ("1e3", "1000.00"), (1_000_000, "1000000.00"), (None, None)])
def test_money_is_stored_to_the_cent(seller: Seller, cost: object, stored: str | None) -> None:
    """As a number or as text, at both limits. null means unknown."""
    assert seller.creates(buy_cost=cost)["buy_cost"] == stored


def test_a_product_is_returned_with_all_its_deals(seller: Seller) -> None:
    """Deleted deals are included. The owner's id is not."""
    deals = [seller.creates(asin="B000000001", supplier=name) for name in ("Acme", "Bolt")]
    seller.deletes(deals[0]["id"])
    answer = seller.http.get(f"/products/{deals[0]['product_id']}")
    assert answer.status_code == 200
    assert [(deal["id"], deal["active"]) for deal in answer.json()["deals"]] == [
        (deals[0]["id"], False),
        (deals[1]["id"], True),
    ]
    assert seller.id not in answer.text


def test_patching_a_product_changes_only_the_given_fields(seller: Seller) -> None:
    """An ASIN changes the status. null removes the ASIN."""
    deal = seller.creates(upc="12345670", brand="Lux")
    path = f"/products/{deal['product_id']}"
    found = seller.http.patch(path, json={"asin": "b000000001"}).json()
    assert (found["asin_status"], found["asin"], found["brand"]) == ("asin_found", "B000000001", "Lux")
    lost = seller.http.patch(path, json={"asin": None, "title": "Renamed"}).json()
    assert (lost["asin_status"], lost["asin"], lost["title"]) == ("needs_asin", None, "Renamed")
    assert seller.stats()["needs_asin"] == 1


def test_patching_a_deal_changes_only_the_given_fields(seller: Seller) -> None:
    """Null clears cost and MOQ."""
    deal = seller.creates(supplier="Acme", buy_cost="4.20", moq=2)
    changed = seller.http.patch(f"/products/deal/{deal['id']}", json={"stage": "ordered", "buy_cost": None})
    assert changed.status_code == 200
    new = {name: changed.json()[name] for name in ("updated_at", "etag")}
    assert changed.json() == {**deal, "stage": "ordered", "buy_cost": None, **new}


def test_a_soft_delete_can_be_undone_and_a_hard_one_cannot(seller: Seller) -> None:
    """A hard delete of the last deal also deletes the product."""
    deal = seller.creates(asin="B000000001")
    path = f"/products/{deal['product_id']}"
    for _ in range(2):
        assert (seller.deletes(deal["id"]).status_code, seller.lists()) == (204, [])
    assert seller.bulk("restore", deal["id"]).json()["changed"] == 1
    assert [item["id"] for item in seller.lists()] == [deal["id"]]
    answer = seller.deletes(deal["id"], hard=True)
    assert (answer.status_code, answer.content) == (204, b"")
    problem(seller.http.get(path), 404)
    problem(seller.bulk("restore", deal["id"]), 404)


@pytest.mark.parametrize(
    ("action", "fields", "shown"),
    [
        ("favorite", {}, {"favorite": True}),
        ("unfavorite", {}, {"favorite": False}),
        ("move", {"stage": "rejected"}, {"stage": "rejected"}),
        ("restore", {}, {"active": True}),
    ],
)
def test_a_bulk_action_changes_exactly_the_given_deals(
    seller: Seller, action: str, fields: dict[str, str], shown: dict[str, Any]
) -> None:
    """Two of three deals are changed."""
    deals = [seller.creates(title=f"Product {number}", favorite=action == "unfavorite") for number in range(3)]
    answer = seller.bulk(action, deals[0]["id"], deals[1]["id"].upper(), **fields)
    done = answer.json()
    assert (answer.status_code, done["action"], done["changed"]) == (200, action, 2)
    after = {item["id"]: item for item in seller.lists()}
    assert all(after[deal["id"]].items() >= shown.items() for deal in deals[:2])
    assert after[deals[2]["id"]] == deals[2]


def test_a_bulk_action_accepts_a_thousand_ids(seller: Seller) -> None:
    """A bulk action accepts at most 1000 ids. Pointers name the first hundred unknown ones by index."""
    deal = seller.creates()
    answer = seller.bulk("delete", *(str(uuid4()) for _ in range(999)), deal["id"])
    assert pointers(answer, 404) == [f"/deal_ids/{index}" for index in range(100)]
    assert answer.json()["errors_omitted"] == 899
    assert [item["id"] for item in seller.lists()] == [deal["id"]]


def test_another_sellers_rows_are_not_found(seller: Seller, other_seller: Seller) -> None:
    """Every route with an id answers the same 404 as for an unknown id, and changes nothing."""
    theirs, before = other_seller.creates(asin="B000000001"), other_seller.sees()
    seller.creates()
    shown = []
    for deal_id, product_id in ((theirs["id"], theirs["product_id"]), (str(uuid4()), str(uuid4()))):
        answers = [
            seller.http.get(f"/products/{product_id}"),
            seller.http.patch(f"/products/{product_id}", json={"title": "Mine"}),
            seller.http.patch(f"/products/deal/{deal_id}", json={"notes": "Mine"}),
            seller.deletes(deal_id),
            seller.deletes(deal_id, hard=True),
            seller.bulk("delete", seller.lists()[0]["id"], deal_id),
        ]
        shown.append([problem(answer, 404)["detail"] for answer in answers])
    assert shown[0] == shown[1]
    assert pointers(answers[-1], 404) == ["/deal_ids/1"]
    assert other_seller.sees() == before
    assert seller.stats()["all"] == 1


def test_a_duplicate_identifier_is_a_conflict(seller: Seller) -> None:
    """409 says which rule the change breaks and names the products, where they are known. Nothing is changed."""
    first = seller.creates(asin="B000000001", supplier="Acme")
    second = seller.creates(title="Other", upc="12345670", supplier="Acme")
    other = seller.creates(title="Other", upc="12345670", supplier="Bolt")
    third = seller.creates(title="Third", upc="87654325", asin="B000000003")
    before = seller.sees()
    answers = [
        seller.http.patch(f"/products/{second['product_id']}", json={"asin": "B000000001"}),
        seller.http.patch(f"/products/{first['product_id']}", json={"upc": "12345670"}),
        seller.http.patch(f"/products/deal/{other['id']}", json={"supplier": "acme"}),
        seller.http.post("/products", json={"title": "x", "asin": "B000000001", "upc": "12345670"}),
        seller.http.post("/products", json={"title": "x", "asin": "B000000002", "upc": "87654325"}),
    ]
    documents = [problem(answer, 409) for answer in answers]
    assert {document["kind"] for document in documents} == {"conflict"}
    assert len({document["detail"] for document in documents}) == 5
    assert [(document["conflict"], document.get("product_ids")) for document in documents] == [
        ("asin", None),
        ("upc", None),
        ("supplier", None),
        ("two-products", [first["product_id"], second["product_id"]]),
        ("other-asin", [third["product_id"]]),
    ]
    assert seller.sees() == before
