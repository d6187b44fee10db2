"""`put_candidates` replaces the candidates of one product."""

import pytest

from local.stack import Stack
from tests.callers import Caller
from tests.candidates import (
    FULL,
    GTIN,
    OTHER_UPC,
    UPC,
    A,
    B,
    C,
    adds,
    asin_number,
    candidates_of,
    dismisses,
    listed,
    puts,
    remembers,
)


@pytest.fixture
def product(alice: Caller) -> str:
    """Return the id of a product of Alice with a UPC and no ASIN."""
    return str(alice.creates(title="Lamp", upc=UPC)["product_id"])


def test_candidates_are_stored_with_all_fields_in_the_given_order(alice: Caller, product: str) -> None:
    """The answer is the document of get_product. Two open candidates make the product need a selection."""
    given = [{"asin": B, "title": None}, FULL]
    answer = alice.changes("put_candidates", p_product_id=product, p_candidates=given)
    assert answer == alice.gets("get_product", p_product_id=product)
    assert (answer["asin_status"], answer["open_candidates"], answer["match"]) == ("needs_selection", 2, None)
    bare, full = answer["candidates"]
    assert {name: full[name] for name in FULL} == FULL
    assert bare.keys() == full.keys() == FULL.keys() | {"position", "dismissed", "created_at"}
    assert (bare["asin"], bare["title"], bare["package_quantity"], bare["dismissed"]) == (B, "", None, False)
    assert [each["position"] for each in answer["candidates"]] == [0, 1]
    assert alice.reads_stats()["needs_selection"] == 1


def test_a_list_is_replaced_and_repeating_it_changes_nothing(alice: Caller, product: str) -> None:
    """Candidates that are not named are removed. The entity tag covers the candidates."""
    first = puts(alice, product, A, B)
    second = puts(alice, product, C, A)
    assert listed(second) == [C, A]
    assert second["etag"] != first["etag"]
    assert puts(alice, product, C, A) == second
    assert puts(alice, product)["asin_status"] == "needs_asin"


def test_a_dismissed_candidate_stays_dismissed_and_is_kept(alice: Caller, product: str) -> None:
    """It stays dismissed if it is named again, and it stays in the list, at the end, if it is not named."""
    puts(alice, product, A, B)
    dismisses(alice, product, A)
    assert listed(puts(alice, product, A, C)) == [C, f"-{A}"]
    assert listed(puts(alice, product, B)) == [B, f"-{A}"]


def test_dismissed_candidates_make_room_for_named_ones(alice: Caller, product: str) -> None:
    """A product has at most 50. The dismissed ones with the last positions are removed first."""
    old = [asin_number(number) for number in range(10)]
    puts(alice, product, *old)
    dismisses(alice, product, *old)
    named = [asin_number(number) for number in range(100, 148)]
    assert listed(puts(alice, product, *named)) == [*named, f"-{old[0]}", f"-{old[1]}"]
    full = [asin_number(number) for number in range(200, 250)]
    assert listed(puts(alice, product, *full)) == full


@pytest.mark.parametrize(
    "candidates",
    [
        [{"asin": f"B{number:09}"} for number in range(51)],
        [{"asin": A}, {"asin": A}],
        [{"title": "Lamp"}],
        [{"asin": "b00000000a"}],
        [{"asin": A, "dismissed": True}],
        [{"asin": A, "image_url": "http://a.example/1.jpg"}],
        [{"asin": A, "sales_rank": 0}],
        [{"asin": A, "package_quantity": "many"}],
        [{"asin": A, "title": " Lamp"}],
        [A],
        {},
        None,
    ],
)
def test_an_invalid_list_is_refused_and_changes_nothing(alice: Caller, product: str, candidates: object) -> None:
    """Too many, an ASIN twice, no ASIN, an unknown field, a value outside its limits, or another type."""
    before = puts(alice, product, B)
    refusal = alice.rpc("put_candidates", p_product_id=product, p_candidates=candidates)
    assert (refusal.status_code, refusal.json()["code"]) == (422, "PT422")
    assert alice.gets("get_product", p_product_id=product) == before


def test_asins_that_never_match_are_left_out(alice: Caller, product: str) -> None:
    """Only for products with the identifier of the match. An open candidate is removed by it."""
    other = alice.creates(upc=OTHER_UPC)["product_id"]
    puts(alice, product, A, B)
    remembers(alice, A, "never")
    assert listed(puts(alice, product, A, B)) == [B]
    assert listed(puts(alice, other, A, B)) == [A, B]
    row = {"asin": A, "upc": UPC}
    assert adds(alice, row, {**row, "product_id": product}, {**row, "asin": C}) == {"never": 2, "stored": 1}


def test_a_single_candidate_stays_a_proposal_unless_it_is_to_be_accepted(alice: Caller, product: str) -> None:
    """Dismissed candidates do not count. Two open ones are never accepted."""
    assert puts(alice, product, A)["asin"] is None
    assert puts(alice, product, A, B, accept_single=True)["asin"] is None
    dismisses(alice, product, A)
    accepted = puts(alice, product, B, accept_single=True)
    assert (accepted["asin"], accepted["asin_status"], listed(accepted)) == (B, "asin_found", [B, f"-{A}"])


def test_a_match_gives_the_product_its_asin(alice: Caller, product: str) -> None:
    """The document names the match. An ASIN that another product has is not given, also not by accepting another."""
    remembers(alice, C, "always")
    assert alice.gets("get_product", p_product_id=product)["match"]["asin"] == C
    holder = alice.creates(asin=C)["product_id"]
    assert puts(alice, product, A, accept_single=True)["asin"] is None
    alice.changes("update_product", p_product_id=holder, p_changes={"asin": None})
    found = puts(alice, product, A, B)
    assert (found["asin"], listed(found)) == (C, [A, B])
    assert {name: found["match"][name] for name in ("gtin", "asin", "verdict")} == {
        "gtin": GTIN, "asin": C, "verdict": "always",
    }  # fmt: skip


def test_accepting_an_asin_of_another_product_is_a_conflict_that_names_it(alice: Caller, product: str) -> None:
    """Nothing is stored. In the feed, the candidate stays a proposal."""
    holder = alice.creates(asin=A)["product_id"]
    arguments = {"p_product_id": product, "p_candidates": [{"asin": A}], "p_accept_single": True}
    refusal = alice.rpc("put_candidates", **arguments)
    assert (refusal.status_code, refusal.json()["code"]) == (409, "PT409")
    assert refusal.json()["details"] == f'{{"conflict": "asin", "product_ids": ["{holder}"]}}'
    assert candidates_of(alice, product) == []
    assert adds(alice, {"upc": UPC, "asin": A}, p_accept_single=True) == {"stored": 1}
    assert (candidates_of(alice, product), alice.reads_stats()["needs_asin"]) == ([A], 1)


def test_a_product_with_an_asin_only_stores_candidates(alice: Caller) -> None:
    """Neither a match nor a single candidate changes its ASIN."""
    found = alice.creates(asin=A, upc=UPC)["product_id"]
    remembers(alice, C, "always")
    assert puts(alice, found, B, accept_single=True)["asin"] == A
    assert adds(alice, {"upc": UPC, "asin": B, "title": "x"}, p_accept_single=True) == {"stored": 1}
    assert alice.gets("get_product", p_product_id=found)["asin"] == A


def test_a_merged_product_gets_no_asin(stack: Stack, alice: Caller, product: str) -> None:
    """The product into which it was merged could not get the same one. Neither candidates nor a new UPC give it one."""
    target = alice.creates(title="Kept")["product_id"]
    stack.supabase.sql("update products set merged_into = $1 where id = $2", target, product)
    assert puts(alice, product, B, accept_single=True)["asin"] is None
    remembers(alice, A, "always")
    assert puts(alice, product, B)["asin"] is None
    assert candidates_of(alice, product) == [B]
    for upc in (None, UPC):
        changed = alice.changes("update_product", p_product_id=product, p_changes={"upc": upc})
        assert (changed["upc"], changed["asin"]) == (upc, None)


def test_users_cannot_write_the_derived_columns(alice: Caller, product: str) -> None:
    """The number of open candidates and the target of a merge."""
    for change in ({"open_candidates": 5}, {"merged_into": product}):
        assert alice.http.patch("/products", params={"id": f"eq.{product}"}, json=change).status_code == 403
