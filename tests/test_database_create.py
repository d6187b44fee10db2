"""create_product reuses the user's existing product and deal, in one transaction, or refuses and changes nothing."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.stack import Stack
from tests.callers import Caller


def _answer(caller: Caller, product: dict[str, Any], deal: dict[str, Any] | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = caller.changes("create_product", p_product=product, p_deal=deal or {})
    return answer


def test_a_new_deal_is_returned_as_its_list_entry(alice: Caller) -> None:
    """The answer has every field of the list entry, with money as text with two decimals."""
    product = {"asin": "B000000001", "upc": "012345678905", "title": "Lamp", "brand": "Lux", "multiple_asins": True}
    deal = {"supplier": "Acme", "buy_cost": "12.5", "moq": 3, "stage": "contacted", "favorite": True, "notes": "n"}
    answer = _answer(alice, product, deal)
    assert answer["created"] is True
    entry = answer["deal"]
    assert [entry] == alice.lists()
    shown = {key: entry["product"].pop(key) for key in ("id", "created_at", "updated_at")}
    derived = {"asin_status": "asin_found", "open_candidates": 0, "merged_into": None, "upc_is_valid": True}
    assert entry.pop("product") == {**product, **derived}
    assert entry.pop("product_id") == shown["id"]
    assert {"id", "created_at", "updated_at", "etag"} == entry.keys() - deal.keys() - {"active", "deleted_at"}
    assert {key: entry[key] for key in deal} == {**deal, "buy_cost": "12.50"}
    assert (entry["active"], entry["deleted_at"]) == (True, None)


def test_only_the_title_is_required(alice: Caller) -> None:
    """Everything else has a default."""
    deal = _answer(alice, {"title": "Lamp"})["deal"]
    assert (deal["supplier"], deal["buy_cost"], deal["moq"], deal["stage"]) == ("", None, None, "new")
    assert (deal["favorite"], deal["notes"], deal["product"]["brand"]) == (False, "", "")


def test_without_asin_and_upc_title_and_brand_identify_a_product(alice: Caller) -> None:
    """Letter case is ignored, and products with an ASIN or UPC do not match. A repeated submission adds no product."""
    alice.creates(title="Lamp", asin="B000000001")
    alice.creates(title="Lamp", upc="12345670")
    first = _answer(alice, {"title": "Lamp", "brand": "Lux"}, {"supplier": "Acme"})
    again = _answer(alice, {"title": "LAMP", "brand": "lux", "multiple_asins": True}, {"supplier": "acme", "moq": 2})
    assert (first["created"], again["created"]) == (True, False)
    assert (again["deal"]["id"], again["deal"]["moq"]) == (first["deal"]["id"], 2)
    assert again["deal"]["product"] == first["deal"]["product"], "the user's values and updated_at are kept"
    others = [{"title": "Lamp"}, {"title": "Lamp", "brand": "Nox"}, {"title": "Lamps", "brand": "Lux"}]
    assert len({_answer(alice, other)["deal"]["product_id"] for other in others} | {first["deal"]["product_id"]}) == 4
    assert alice.creates(title="Lamp", brand="Lux", asin="PENDING_1")["product_id"] == first["deal"]["product_id"]


def test_of_products_with_one_title_one_without_an_asin_comes_first(alice: Caller) -> None:
    """Although it is newer. The import uses the same rule."""
    found = alice.creates(title="Lamp", asin="B000000001")["product_id"]
    assert alice.http.post("/products", json={"title": "Lamp"}).is_success
    created = alice.creates(title="Lamp", deal={"supplier": "Acme"})["product_id"]
    assert alice.changes("import_deals", p_rows=[{"line": 2, "title": "Lamp", "supplier": "Bolt"}])["created"] == 1
    products = {item["supplier"]: item["product_id"] for item in alice.lists()}
    assert products == {"": found, "Acme": created, "Bolt": created}
    assert created != found


_TITLES = st.fixed_dictionaries(
    {"title": st.sampled_from(["Lamp", "LAMP", "Lamps"])},
    optional={
        "brand": st.sampled_from(["", "Lux", "LUX"]),
        "upc": st.just("12345670"),
        "asin": st.just("B000000001"),
        "multiple_asins": st.booleans(),
    },
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(existing=st.lists(_TITLES, max_size=4), product=_TITLES)
def test_create_and_import_find_the_same_product(
    stack: Stack, alice: Caller, existing: list[dict[str, Any]], product: dict[str, Any]
) -> None:
    """Importing a product that was created changes nothing, and creating one that was imported adds nothing."""
    stack.supabase.sql("delete from products where user_id = $1", alice.id)
    for earlier in existing:
        alice.rpc("create_product", p_product=earlier, p_deal={"supplier": "Acme"})
    rows = [{"line": 1, "supplier": "Acme", **product}]
    if alice.rpc("create_product", p_product=product, p_deal={"supplier": "Acme"}).status_code == 409:
        assert alice.changes("import_deals", p_rows=rows)["refused"]
        return
    before = alice.lists()
    assert alice.changes("import_deals", p_rows=rows)["unchanged"] == 1
    assert _answer(alice, product, {"supplier": "Acme"})["created"] is False
    assert alice.lists() == before


@pytest.mark.parametrize("identifier", [{"asin": "B000000001"}, {"upc": "12345670"}])
def test_an_existing_product_is_reused_and_only_completed(alice: Caller, identifier: dict[str, Any]) -> None:
    """Empty fields are filled in. Values that the user wrote before are kept."""
    first = alice.creates(title="Lamp", **identifier)
    again = {"asin": "B000000001", "upc": "12345670", "title": "Other", "brand": "Lux", "multiple_asins": True}
    second = _answer(alice, again, {"supplier": "Acme"})
    assert second["created"] is True
    product = second["deal"]["product"]
    assert product["id"] == first["product_id"]
    assert (product["asin"], product["upc"], product["brand"]) == ("B000000001", "12345670", "Lux")
    assert (product["title"], product["multiple_asins"]) == ("Lamp", False)
    third = alice.creates(asin="B000000001", upc="99999995", brand="Nox", deal={"supplier": "Third"})
    assert (third["product"]["upc"], third["product"]["brand"]) == ("12345670", "Lux")


def test_an_existing_deal_is_updated_with_the_given_fields_only(alice: Caller) -> None:
    """For the same product and supplier, in any letter case, the given fields are written and the others kept."""
    first = alice.creates(asin="B000000001", deal={"supplier": "Acme", "buy_cost": "5", "moq": 2, "notes": "n"})
    second = _answer(alice, {"asin": "B000000001"}, {"supplier": "ACME", "buy_cost": None, "stage": "ordered"})
    assert second["created"] is False
    assert second["deal"]["id"] == first["id"]
    assert (second["deal"]["buy_cost"], second["deal"]["stage"]) == (None, "ordered")
    assert (second["deal"]["moq"], second["deal"]["notes"]) == (2, "n")


def test_creating_a_deleted_deal_again_restores_it(alice: Caller) -> None:
    """The deal keeps its id, is active, and is counted again."""
    first = alice.creates(asin="B000000001")
    alice.changes("delete_deal", p_deal_id=first["id"])
    second = _answer(alice, {"asin": "B000000001"})
    assert (second["created"], second["deal"]["id"]) == (False, first["id"])
    assert (second["deal"]["active"], second["deal"]["deleted_at"]) == (True, None)
    assert alice.reads_stats()["all"] == 1


def test_a_placeholder_is_not_an_asin(alice: Caller) -> None:
    """A placeholder identifies no product, two products may have the same one, and a real ASIN replaces it."""
    first = alice.creates(asin="PENDING_1", upc="12345670")
    second = alice.creates(asin="PENDING_1")
    assert first["product_id"] != second["product_id"]
    assert first["product"]["asin_status"] == "needs_asin"
    found = alice.creates(asin="B000000001", upc="12345670")
    assert (found["product_id"], found["product"]["asin"]) == (first["product_id"], "B000000001")
    assert alice.creates(asin="Unknown", upc="12345670")["product"]["asin"] == "B000000001"


def test_contradicting_identifiers_are_a_conflict_and_change_nothing(alice: Caller) -> None:
    """The user must resolve an ASIN and a UPC of two products, and a UPC whose product has another ASIN."""
    by_asin = alice.creates(asin="B000000001", title="One")
    by_upc = alice.creates(asin="B000000002", upc="12345670", title="Two")
    before = alice.lists()
    two = alice.rpc("create_product", p_product={"asin": "B000000001", "upc": "12345670", "title": "x"}, p_deal={})
    assert (two.status_code, two.json()["code"]) == (409, "PT409")
    assert "two different products" in two.json()["message"]
    assert two.json()["details"] == f'["{by_asin["product_id"]}", "{by_upc["product_id"]}"]'
    other = alice.rpc("create_product", p_product={"asin": "B000000003", "upc": "12345670", "title": "x"}, p_deal={})
    assert (other.status_code, other.json()["code"]) == (409, "PT409")
    assert "another ASIN, B000000002" in other.json()["message"]
    assert alice.lists() == before


@pytest.mark.parametrize(
    ("product", "deal", "detail"),
    [
        ({}, {}, "title"),
        ({"title": ""}, {}, "products_title_check"),
        ({"title": "x" * 501}, {}, "products_title_check"),
        ({"title": "x", "asin": "b000000001"}, {}, "products_asin_check"),
        ({"title": "x", "asin": "B00000000"}, {}, "products_asin_check"),
        ({"title": "x", "asin": "B000000001\n"}, {}, "products_asin_check"),
        ({"title": "x", "upc": "1234567"}, {}, "products_upc_check"),
        ({"title": "x", "upc": "123456789012345"}, {}, "products_upc_check"),
        ({"title": "x", "brand": None}, {}, "brand"),
        ({"title": "x", "user_id": "me"}, {}, "user_id"),
        ({"title": "x"}, {"buy_cost": "-0.01"}, "deals_buy_cost_check"),
        ({"title": "x"}, {"buy_cost": "NaN"}, "deals_buy_cost_check"),
        ({"title": "x"}, {"buy_cost": "12,50"}, "12,50"),
        ({"title": "x"}, {"buy_cost": "1e30"}, "overflow"),
        ({"title": "x"}, {"moq": 0}, "deals_moq_check"),
        ({"title": "x"}, {"moq": 2**31}, "integer"),
        ({"title": "x"}, {"stage": "lost"}, "deals_stage_check"),
        ({"title": "x"}, {"stage": None}, "stage"),
        ({"title": "x"}, {"supplier": "x" * 201}, "deals_supplier_check"),
        ({"title": "x"}, {"notes": "x" * 5001}, "deals_notes_check"),
        ({"title": "x"}, {"suplier": "Acme"}, "suplier"),
        ({"title": "x"}, {"active": False}, "active"),
    ],
)
def test_an_invalid_value_is_named_and_changes_nothing(
    alice: Caller, product: dict[str, Any], deal: dict[str, Any], detail: str
) -> None:
    """Product and deal are one transaction: if the deal is refused, its new product is not created."""
    refusal = alice.rpc("create_product", p_product=product, p_deal=deal)
    assert (refusal.status_code, refusal.json()["code"]) == (422, "PT422")
    assert detail in refusal.json()["details"]
    assert alice.http.get("/products").json() == []


@pytest.mark.parametrize("body", [None, [], "x", 1])
def test_arguments_that_are_not_objects_are_refused(alice: Caller, body: object) -> None:
    """JSON of another type is a bad request, not a server error. A bare string does not reach the function."""
    for arguments in ({"p_product": body, "p_deal": {}}, {"p_product": {"title": "x"}, "p_deal": body}):
        assert alice.rpc("create_product", **arguments).status_code in {400, 422}


def test_the_largest_values_the_api_accepts_are_stored(alice: Caller) -> None:
    """Every value that passes the API's validation can be stored."""
    entry = alice.creates(
        asin="9999999999",
        upc="1" * 13 + "3",
        title="é" * 500,
        brand="é" * 200,
        deal={"supplier": "é" * 200, "buy_cost": "1000000.00", "moq": 1_000_000, "notes": "é" * 5000},
    )
    assert (entry["buy_cost"], len(entry["notes"])) == ("1000000.00", 5000)


def test_identical_concurrent_creates_make_one_deal(alice: Caller) -> None:
    """Exactly one call creates the deal. The others find it."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _answer(alice, {"asin": "B000000001", "title": "Lamp"}), range(8)))
    assert sorted(answer["created"] for answer in answers) == [False] * 7 + [True]
    assert len({answer["deal"]["id"] for answer in answers}) == 1
    assert len(alice.lists()) == 1
