"""`add_candidates` stores the result of a look-up: how a row finds its product, and what it changes."""

from typing import Final

import pytest

from local.stack import Stack
from tests.callers import Caller
from tests.candidates import (
    FULL,
    OTHER_UPC,
    UPC,
    A,
    B,
    C,
    Document,
    adds,
    asin_number,
    candidates_of,
    dismisses,
    listed,
    puts,
    remembers,
)

_UNKNOWN_ID: Final = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def product(alice: Caller) -> str:
    """Return the id of a product of Alice with a UPC and no ASIN."""
    return str(alice.creates(title="Lamp", upc=UPC)["product_id"])


def test_rows_find_products_by_id_or_by_any_form_of_their_identifier(alice: Caller, product: str) -> None:
    """The same number as UPC-A, EAN-13 and GTIN-14. The product with exactly the given number comes first."""
    rows = [{"upc": UPC}, {"upc": f"0{UPC}"}, {"upc": f"00{UPC}"}, {"product_id": product, "upc": "96385074"}]
    assert adds(alice, *({**row, "asin": asin_number(n)} for n, row in enumerate(rows))) == {"stored": 4}
    assert len(candidates_of(alice, product)) == 4
    twin = alice.creates(upc=f"0{UPC}")["product_id"]
    adds(alice, {"upc": f"0{UPC}", "asin": A})
    assert (candidates_of(alice, twin), len(candidates_of(alice, product))) == ([A], 4)


def test_each_row_has_one_outcome(alice: Caller, product: str) -> None:
    """Rows without a product, without an ASIN, or with something else in its place. Repeating them changes nothing."""
    rows: list[Document] = [
        {"upc": UPC, "asin": A}, {"upc": UPC, "asin": A, "title": "Lamp"}, {"product_id": product},
        {"upc": OTHER_UPC, "asin": A}, {"product_id": _UNKNOWN_ID, "asin": A}, {"upc": f"00{UPC}0", "asin": A},
        {"asin": A}, {"upc": UPC, "asin": "nothing"},
    ]  # fmt: skip
    refused = [
        {"line": 8, "column": "upc", "reason": "A row needs a product id or a UPC"},
        {"line": 9, "column": "asin", "reason": "This is not an ASIN"},
    ]
    rest = {"empty": 1, "unknown": 3, "refused": refused}
    assert adds(alice, *rows) == {"stored": 1, "unchanged": 1, **rest}
    before = alice.gets("get_product", p_product_id=product)
    assert adds(alice, *rows) == {"unchanged": 2, **rest}
    assert alice.gets("get_product", p_product_id=product) == before


def test_values_are_added_and_updated_and_never_removed(alice: Caller, product: str) -> None:
    """A missing value keeps what is stored, also from an earlier row of the same call. New candidates come last."""
    alice.changes("put_candidates", p_product_id=product, p_candidates=[{"asin": B}, FULL])
    dismisses(alice, product, B)
    update: Document = {"upc": UPC, "asin": A, "title": "", "brand": None, "sales_rank": 7}
    rows: list[Document] = [{"upc": UPC, "asin": C, "title": "New"}, {"upc": UPC, "asin": C, "source": "S"}, update]
    assert adds(alice, *rows, {"upc": UPC, "asin": B, "title": "Nox"}) == {"stored": 3, "unchanged": 1}
    found = alice.gets("get_product", p_product_id=product)
    assert listed(found) == [A, C, f"-{B}"]
    full, new, dismissed = found["candidates"]
    assert {name: full[name] for name in FULL} == {**FULL, "sales_rank": 7}
    assert (new["title"], new["source"], new["position"], dismissed["title"]) == ("New", "S", 2, "Nox")


def test_a_product_gets_no_more_than_fifty_candidates(alice: Caller, product: str) -> None:
    """The rows beyond are refused, in the order of the file. Those that update a candidate are not."""
    puts(alice, product, *(asin_number(number) for number in range(49)))
    rows = [{"upc": UPC, "asin": asin, "title": "x"} for asin in (A, B, asin_number(3), B)]
    reason = {"column": "asin", "reason": "This product already has 50 candidates"}
    refused = [{"line": 3, **reason}, {"line": 5, **reason}]
    assert adds(alice, *rows) == {"stored": 2, "refused": refused}
    assert candidates_of(alice, product)[-1] == A


def test_the_feed_applies_matches_and_accepts_single_candidates(alice: Caller, product: str) -> None:
    """A match counts for rows without an ASIN too. Of two products with the same ASIN, the first row's gets it."""
    others = [alice.creates(upc=upc)["product_id"] for upc in (OTHER_UPC, "96385074")]
    remembers(alice, C, "always")
    rows = [{"upc": UPC}, {"upc": "96385074", "asin": A}, {"product_id": others[0], "asin": A}]
    assert adds(alice, *rows) == {"stored": 2, "empty": 1, "decided": 1}
    assert adds(alice, *rows, p_accept_single=True) == {"unchanged": 2, "empty": 1, "decided": 1}
    found = [alice.gets("get_product", p_product_id=each)["asin"] for each in (product, others[1], others[0])]
    assert found == [C, A, None]
    assert adds(alice, *rows, p_accept_single=True) == {"unchanged": 2, "empty": 1}


def test_a_single_candidate_that_never_matches_is_not_accepted(alice: Caller, product: str) -> None:
    """The candidate was stored before the match. It stays in the list, because the feed removes none."""
    puts(alice, product, A)
    remembers(alice, A, "never")
    assert adds(alice, {"upc": UPC, "asin": A}, {"upc": UPC}, p_accept_single=True) == {"never": 1, "empty": 1}
    assert candidates_of(alice, product) == [A]


def test_a_merged_product_stands_for_the_other_one(stack: Stack, alice: Caller, product: str) -> None:
    """Its identifier and its id find the product into which it was merged. The matches of both identifiers count."""
    target = alice.creates(upc=OTHER_UPC)["product_id"]
    stack.supabase.sql("update products set merged_into = $1 where id = $2", target, product)
    remembers(alice, A, "never")
    remembers(alice, B, "never", gtin=f"00{OTHER_UPC}")
    rows = [{"upc": UPC, "asin": A}, {"upc": UPC, "asin": B}, {"product_id": product, "asin": C}]
    assert adds(alice, *rows) == {"never": 2, "stored": 1}
    assert (candidates_of(alice, target), candidates_of(alice, product)) == ([C], [])


def test_other_users_have_no_part_in_it(alice: Caller, bob: Caller, product: str) -> None:
    """Their products are unknown, and their matches and ASINs do not count."""
    remembers(bob, A, "always")
    remembers(bob, B, "never")
    bob.creates(asin=C)
    assert bob.changes("put_candidates", p_product_id=product, p_candidates=[]) is None
    assert adds(bob, {"product_id": product, "asin": A}, {"upc": UPC, "asin": A}) == {"unknown": 2}
    assert listed(puts(alice, product, A, B)) == [A, B]
    assert puts(alice, product, C, accept_single=True)["asin"] == C
    assert bob.http.get("/candidates").json() == []


def test_the_service_role_adds_candidates_for_a_user(service: Caller, alice: Caller, bob: Caller, product: str) -> None:
    """As for `flask products candidates`. A user can add candidates only for themselves."""
    assert adds(service, {"upc": UPC, "asin": A}, p_user_id=alice.id) == {"stored": 1}
    assert candidates_of(alice, product) == [A]
    assert service.rpc("add_candidates", p_rows=[], p_user_id=_UNKNOWN_ID).status_code == 404
    assert bob.rpc("add_candidates", p_rows=[], p_user_id=alice.id).status_code == 403


@pytest.mark.parametrize(
    "rows",
    [
        None, {}, ["x"], [{"upc": UPC}], [{"line": 1, "upc": UPC, "stars": 5}], [{"line": 1, "product_id": "x"}],
        [{"line": 1, "upc": UPC, "asin": A, "image_url": "javascript:x"}], [{"line": 1}] * 5001,
    ],
)  # fmt: skip
def test_rows_of_another_form_are_refused_and_nothing_is_stored(alice: Caller, product: str, rows: object) -> None:
    """Including a valid row of the same call. The application validates the values of rows before."""
    given = [{"line": 9, "upc": UPC, "asin": B}, *rows] if isinstance(rows, list) else rows
    assert alice.rpc("add_candidates", p_rows=given).status_code == 422
    assert candidates_of(alice, product) == []
