"""Matches: applied to products that are created, changed or imported later, and forgotten."""

from typing import Any, Final

import pytest

from local.stack import Stack
from tests.callers import Caller
from tests.candidates import GTIN, OTHER_UPC, UPC, A, B, C, Document, remembers

_THIRD_UPC: Final = "96385074"


def _imports(caller: Caller, *rows: Document, **arguments: object) -> Document:
    """Import rows with line numbers from 2 on, as in a file, and return the numbers of the answer without zeros."""
    numbered = [{"line": line, **row} for line, row in enumerate(rows, start=2)]
    answer: Document = caller.changes("import_deals", p_rows=numbered, **arguments)
    return {name: value for name, value in answer.items() if value and name != "batch_id"}


def _asins(caller: Caller) -> dict[str, str | None]:
    """Return the ASIN of each product by its UPC."""
    return {item["product"]["upc"]: item["product"]["asin"] for item in caller.lists()}


def _product(caller: Caller, product_id: str) -> Document:
    found: Document = caller.gets("get_product", p_product_id=product_id)
    return found


def _merges(stack: Stack, source: str, target: str) -> None:
    stack.supabase.sql("update products set merged_into = $1 where id = $2", target, source)


def test_a_new_product_gets_the_asin_that_always_matches_its_upc(alice: Caller) -> None:
    """Whether it is created or imported. A placeholder is replaced, and an ASIN that is given counts."""
    remembers(alice, A, "always")
    remembers(alice, B, "never", gtin=f"00{OTHER_UPC}")
    remembers(alice, C, "always", gtin=f"000000{_THIRD_UPC}")
    assert alice.creates(upc=UPC, asin="PENDING_1")["product"]["asin"] == A
    assert _imports(alice, {"upc": _THIRD_UPC, "title": "T"}, {"upc": OTHER_UPC, "title": "O"}) == {"created": 2}
    assert _asins(alice) == {UPC: A, OTHER_UPC: None, _THIRD_UPC: C}
    assert alice.creates(upc=f"0{UPC}", asin=B)["product"]["asin"] == B


def test_an_existing_product_gets_the_asin_unless_it_has_one(alice: Caller) -> None:
    """By the next creation or import with its UPC. The second import of the same row changes nothing."""
    first = alice.creates(upc=UPC)["product_id"]
    alice.creates(upc=OTHER_UPC, asin=B)
    alice.creates(upc=_THIRD_UPC)
    for asin, upc in ((A, UPC), (C, OTHER_UPC), (C, _THIRD_UPC)):
        remembers(alice, asin, "always", gtin=upc.rjust(14, "0"))
    again = alice.creates(upc=UPC)["product"]
    assert (again["id"], again["asin"]) == (first, A)
    rows = [{"upc": OTHER_UPC}, {"upc": _THIRD_UPC}]
    planned = _imports(alice, *rows, p_dry_run=True)
    assert planned == _imports(alice, *rows) == {"updated": 1, "unchanged": 1}
    assert _imports(alice, *rows) == {"unchanged": 2}
    assert _asins(alice) == {UPC: A, OTHER_UPC: B, _THIRD_UPC: C}


@pytest.mark.parametrize("existing", [True, False])
def test_an_asin_of_another_product_is_not_given(alice: Caller, *, existing: bool) -> None:
    """A product with the UPC stays without. Without one, the row is for the product with the ASIN."""
    remembers(alice, A, "always")
    holder = alice.creates(asin=A)["product_id"]
    if existing:
        alice.http.post("/products", json={"title": "Lamp", "upc": UPC})
    created = alice.creates(upc=UPC, deal={"supplier": "Acme"})
    assert _imports(alice, {"upc": UPC, "title": "x", "supplier": "Nox"}) == {"created": 1}
    assert (created["product_id"] == holder, created["product"]["asin"]) == (not existing, None if existing else A)
    assert {item["product_id"] for item in alice.lists()} == {holder, created["product_id"]}


def test_several_upcs_of_one_asin_are_one_product(alice: Caller) -> None:
    """The first row makes the product, and the others add deals to it. A file without titles would be refused."""
    for upc in (UPC, OTHER_UPC):
        remembers(alice, A, "always", gtin=upc.rjust(14, "0"))
    rows = [{"upc": upc, "title": "Lamp", "supplier": upc} for upc in (UPC, OTHER_UPC)]
    assert _imports(alice, *rows) == {"created": 2}
    assert _imports(alice, *rows) == {"unchanged": 2}
    assert _asins(alice) == {UPC: A}


def test_of_two_products_in_a_file_the_first_one_gets_the_asin(alice: Caller) -> None:
    """The other one is imported without it, as if the rows had been imported one after the other."""
    for upc in (UPC, OTHER_UPC):
        alice.creates(upc=upc)
        remembers(alice, A, "always", gtin=upc.rjust(14, "0"))
    rows = [{"upc": OTHER_UPC, "supplier": "S"}, {"upc": UPC, "supplier": "S"}]
    assert _imports(alice, *rows) == {"created": 2}
    assert _asins(alice) == {UPC: None, OTHER_UPC: A}
    assert _imports(alice, *rows) == {"unchanged": 2}


def test_an_asin_in_the_file_counts_more_than_a_match(alice: Caller) -> None:
    """For the same UPC in another row, and for a product that gets the ASIN from its own row."""
    for upc, asin in ((UPC, A), (_THIRD_UPC, C)):
        alice.creates(upc=upc)
        remembers(alice, asin, "always", gtin=upc.rjust(14, "0"))
    alice.creates(upc=OTHER_UPC)
    rows: list[Document] = [{"upc": UPC, "supplier": "S"}, {"upc": UPC, "asin": B, "supplier": "T"}]
    rows += [{"upc": _THIRD_UPC, "supplier": "S"}, {"upc": OTHER_UPC, "asin": C, "supplier": "S"}]
    assert _imports(alice, *rows) == {"created": 4}
    assert _asins(alice) == {UPC: B, OTHER_UPC: C, _THIRD_UPC: None}


def test_a_new_upc_of_a_product_gives_it_the_matching_asin(alice: Caller) -> None:
    """An ASIN that it has or gets counts. A change without a new UPC gives none, so the ASIN can be cleared."""
    remembers(alice, A, "always")
    product = alice.creates()["product_id"]

    def changed(**changes: str | None) -> str | None:
        answer: Any = alice.changes("update_product", p_product_id=product, p_changes=changes)
        asin: str | None = answer["asin"]
        return asin

    assert changed(upc=UPC) == A
    assert changed(asin=None, upc=UPC) is None
    assert (changed(title="Lamp"), changed(upc=None)) == (None, None)
    assert changed(upc=UPC, asin=B) == B
    assert changed(upc=OTHER_UPC, asin=None) is None
    alice.creates(asin=A)
    assert changed(upc=UPC) is None


def test_matches_of_other_users_are_not_applied(alice: Caller, bob: Caller) -> None:
    """Neither are they listed or forgotten."""
    remembers(bob, A, "always")
    assert alice.creates(upc=UPC)["product"]["asin"] is None
    assert _imports(alice, {"upc": UPC}) == {"unchanged": 1}
    assert alice.gets("list_matches") == {"items": [], "next": None}
    assert alice.changes("forget_match", p_gtin=GTIN, p_asin=A) is False
    assert len(bob.gets("list_matches")["items"]) == 1


def test_identifiers_of_a_merged_product_find_the_other_one(stack: Stack, alice: Caller) -> None:
    """UPC, ASIN, and title with brand. The other product keeps its own values, and its gaps stay open."""
    target = alice.creates(title="Kept")["product_id"]
    given: list[Document] = [{"upc": UPC, "title": "U"}, {"asin": A, "title": "A"}, {"title": "T", "brand": "Lux"}]
    for product in given:
        _merges(stack, alice.creates(**product)["product_id"], target)
    for product in given:
        assert alice.creates(**product, deal={"supplier": product["title"]})["product_id"] == target
    rows = [{**product, "supplier": product["title"]} for product in given]
    assert _imports(alice, *rows) == {"unchanged": 3}
    assert _imports(alice, *({**row, "supplier": f"{row['title']}2"} for row in rows)) == {"created": 3}
    kept = _product(alice, target)
    assert (kept["asin"], kept["upc"], kept["title"], len(kept["deals"])) == (None, None, "Kept", 7)


def test_a_match_of_a_merged_product_is_for_the_other_one(stack: Stack, alice: Caller) -> None:
    """An identifier of the merged product gives the other one its ASIN."""
    source, target = (alice.creates(upc=upc)["product_id"] for upc in (UPC, OTHER_UPC))
    _merges(stack, source, target)
    remembers(alice, A, "always")
    assert _imports(alice, {"upc": UPC, "supplier": "S"}) == {"created": 1}
    assert (_product(alice, target)["asin"], _product(alice, source)["asin"]) == (A, None)
    assert _imports(alice, {"upc": UPC, "asin": B})["refused"][0]["reason"].endswith(f"has another ASIN, {A}")


def test_a_merged_product_is_kept_when_its_last_deal_is_removed(stack: Stack, service: Caller, alice: Caller) -> None:
    """By a permanent deletion and by the purge. It still leads to the other product."""
    target = alice.creates(asin=A)["product_id"]
    deals = [alice.creates(upc=upc) for upc in (UPC, OTHER_UPC, _THIRD_UPC)]
    for deal in deals[:2]:
        _merges(stack, deal["product_id"], target)
    assert alice.changes("delete_deal", p_deal_id=deals[0]["id"], p_hard=True) is True
    alice.changes("bulk_deals", p_action="delete", p_deal_ids=[deal["id"] for deal in deals[1:]])
    stack.supabase.sql("update deals set deleted_at = deleted_at - interval '90 days' where user_id = $1", alice.id)
    service.gets("purge_deals", p_days=30)
    left = {each["id"] for each in alice.http.get("/products").json()}
    assert left == {target, deals[0]["product_id"], deals[1]["product_id"]}
    assert alice.creates(upc=OTHER_UPC)["product_id"] == target


def test_a_forgotten_match_is_not_applied_any_more(alice: Caller) -> None:
    """Products keep the ASINs that they have. Forgetting it again finds nothing."""
    remembers(alice, A, "always")
    alice.creates(upc=UPC)
    assert alice.changes("forget_match", p_gtin=GTIN, p_asin=B) is False
    answers = [alice.changes("forget_match", p_gtin=GTIN, p_asin=A) for _ in range(2)]
    assert answers == [True, False]
    assert _asins(alice) == {UPC: A}
    product = alice.lists()[0]["product_id"]
    alice.changes("update_product", p_product_id=product, p_changes={"asin": None, "upc": None, "title": "Lamp"})
    assert alice.creates(upc=UPC)["product"]["asin"] is None


def test_changes_of_candidates_and_matches_can_be_conditional_and_repeated(alice: Caller) -> None:
    """With an entity tag of the product, and with a key."""
    product = alice.creates(upc=UPC)["product_id"]
    remembers(alice, A, "never")
    etag = _product(alice, product)["etag"]

    def put(asin: str, key: str, *etags: str) -> Any:  # noqa: ANN401 - a response
        arguments = {"p_product_id": product, "p_candidates": [{"asin": asin}], "p_accept_single": None}
        change = {"p_function": "put_candidates", "p_arguments": arguments, "p_key": key}
        return alice.rpc("conditional_change", **change, p_if_match=list(etags) or None)

    answers = [put(B, "k", etag).json()["answer"] for _ in range(2)]
    assert answers[0] == answers[1] == _product(alice, product)
    assert put(C, "other", etag).status_code == 412
    assert put(C, "third", answers[0]["etag"]).json()["answer"]["candidates"][0]["asin"] == C
    forget = {"p_function": "forget_match", "p_arguments": {"p_gtin": GTIN, "p_asin": A}, "p_key": "forget"}
    assert [alice.changes("conditional_change", **forget) for _ in range(2)] == [True, True]
    assert alice.rpc("conditional_change", p_function="add_candidates", p_arguments={}).status_code == 422
