"""`POST /products/<id>/asin`: one decision, by one client or by two at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from tests.matching.deciding import STALE, UNKNOWN_ID, Decider, asins, ok
from tests.problems import pointers, problem
from tests.sellers import Seller

_TRIES: Final = 5


def test_a_candidate_is_chosen(decider: Decider) -> None:
    """The product has the ASIN, and the decision is in its history. The numbers are fresh."""
    product = decider.product(1)
    decider.proposes(product["id"], "B000000001", "B000000002")
    assert decider.seller.stats()["needs_selection"] == 1
    chosen = ok(decider.chooses(product["id"], "B000000002"))
    assert (chosen["asin"], chosen["asin_status"]) == ("B000000002", "asin_found")
    (decision,) = chosen["history"]
    expected = {"kind": "asin", "asin": "B000000002", "remembered": False, "undone_at": None, "can_undo": True}
    assert decision.items() >= expected.items()
    assert decider.seller.stats() == {
        "all": 1, "asin_found": 1, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0,
    }  # fmt: skip
    assert decider.sees(product["id"]) == chosen


def test_any_asin_can_be_entered(decider: Decider) -> None:
    """Also one that is no candidate, for a product without candidates and without an identifier."""
    product = decider.product(1, upc=None)
    assert product["asin_status"] == "manual_entry"
    assert ok(decider.chooses(product["id"], " b00000000x "))["asin"] == "B00000000X"
    assert decider.seller.stats()["asin_found"] == 1


def test_the_same_decision_again_changes_nothing(decider: Decider) -> None:
    """200, and no second decision is recorded. It can still be remembered."""
    product = decider.product(1)
    first = ok(decider.chooses(product["id"], "B000000001"))
    assert ok(decider.chooses(product["id"], "B000000001")) == first
    again = ok(decider.chooses(product["id"], "B000000001", remember=True))
    assert (again["history"], again["match"]["asin"]) == (first["history"], "B000000001")


def test_a_remembered_asin_is_given_to_later_products(decider: Decider) -> None:
    """A product that is created, imported or gets the identifier later has the ASIN at once."""
    product = decider.product(1)
    chosen = ok(decider.chooses(product["id"], "B000000001", remember=True))
    match = {"asin": "B000000001", "verdict": "always", "gtin": product["upc"].zfill(14)}
    assert chosen["match"].items() >= match.items()
    assert chosen["history"][0]["remembered"] is True
    decider.seller.deletes(product["deals"][0]["id"], hard=True)
    assert decider.product(1)["asin"] == "B000000001"
    decider.seller.deletes(decider.seller.lists()[0]["id"], hard=True)
    decider.seller.imports(f"title,upc\nImported,{product['upc']}\n")
    assert decider.seller.lists()[0]["product"]["asin"] == "B000000001"
    decider.seller.deletes(decider.seller.lists()[0]["id"], hard=True)
    late = decider.product(2, upc=None)
    changed = ok(decider.seller.http.patch(f"/products/{late['id']}", json={"upc": product["upc"]}))
    assert (changed["asin"], changed["asin_status"]) == ("B000000001", "asin_found")
    assert decider.seller.stats()["asin_found"] == 1


def test_none_of_the_candidates(decider: Decider) -> None:
    """All are dismissed, and the product needs no selection any more."""
    product = decider.product(1, multiple_asins=True)
    decider.proposes(product["id"], "B000000001", "B000000002")
    changed = ok(decider.dismisses(product["id"]))
    assert (asins(changed), asins(changed, dismissed=True)) == ([], ["B000000001", "B000000002"])
    assert (changed["asin_status"], changed["open_candidates"], changed["multiple_asins"]) == ("needs_asin", 0, False)
    assert (changed["history"][0]["kind"], changed["history"][0]["asin"]) == ("none", None)
    assert decider.seller.stats()["needs_asin"] == 1
    assert decider.matches()["items"] == []


def test_an_asin_of_another_product_is_a_conflict(decider: Decider) -> None:
    """409 names the other product. Nothing is changed."""
    first, second = decider.product(1, asin="B000000001"), decider.product(2)
    document = problem(decider.chooses(second["id"], "B000000001", remember=True), 409)
    assert (document["kind"], document["conflict"], document["product_ids"]) == ("conflict", "asin", [first["id"]])
    assert decider.sees(second["id"]) == second
    assert decider.matches()["items"] == []


def test_a_product_that_has_another_asin_is_a_conflict(decider: Decider) -> None:
    """409 says that it was decided. Dismissing the candidates is refused as well."""
    product = decider.product(1)
    chosen = ok(decider.chooses(product["id"], "B000000001"))
    for answer in (decider.chooses(product["id"], "B000000002"), decider.dismisses(product["id"])):
        document = problem(answer, 409)
        assert (document["conflict"], document["product_ids"]) == ("decided", [product["id"]])
        assert "B000000001" in document["detail"]
    assert decider.sees(product["id"]) == chosen


@pytest.mark.parametrize("attempt", range(_TRIES))
def test_of_two_clients_that_decide_at_once_one_is_refused(decider: Decider, attempt: int) -> None:
    """The other one gets 409, and then sees what was decided. With the entity tag it is 412."""
    product = decider.product(1)
    decider.proposes(product["id"], "B000000001", "B000000002")
    headers = {"If-Match": f'"{decider.sees(product["id"])["etag"]}"'} if attempt % 2 else {}
    start = threading.Barrier(2)

    def decides(asin: str) -> Any:  # noqa: ANN401 - an httpx answer
        start.wait(timeout=30)
        path = f"/products/{product['id']}/asin"
        return decider.seller.http.post(path, json={"asin": asin}, headers=headers)

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(decides, ("B000000001", "B000000002")))
    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    document = problem(lost, 412 if headers else 409)
    assert document.get("conflict") == (None if headers else "decided")
    seen = decider.sees(product["id"])
    assert (seen, len(seen["history"])) == (ok(won), 1)
    assert decider.seller.stats()["asin_found"] == 1


def test_a_decision_about_an_outdated_product_is_refused(decider: Decider) -> None:
    """412 with the current tag, with which the decision then succeeds."""
    product = decider.product(1)
    decider.proposes(product["id"], "B000000001", "B000000002")
    refusal = decider.chooses(product["id"], "B000000001", If_Match=f'"{product["etag"]}"')
    current = problem(refusal, 412)["current_etag"]
    assert decider.sees(product["id"])["etag"] == current
    assert ok(decider.chooses(product["id"], "B000000001", If_Match=f'{STALE}, "{current}"'))["asin"] == "B000000001"


def test_a_repeated_decision_with_the_same_key_is_made_once(decider: Decider) -> None:
    """The second answer is the first one, although the decision was undone meanwhile. Another change is refused."""
    product = decider.product(1)
    first = decider.chooses(product["id"], "B000000001", Idempotency_Key="k")
    decider.undoes(ok(first)["history"][0]["id"])
    assert decider.chooses(product["id"], "B000000001", Idempotency_Key="k").content == first.content
    assert decider.sees(product["id"])["asin"] is None
    reused = problem(decider.chooses(product["id"], "B000000002", Idempotency_Key="k"), 422)
    assert reused["kind"] == "idempotency-key-reused"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, [""]),
        ({"asin": None}, [""]),
        ({"asin": "B000000001", "none": True}, [""]),
        ({"asin": "B000000001", "remember": "never"}, [""]),
        ({"none": True, "remember": "always"}, [""]),
        ({"none": False}, ["/none"]),
        ({"asin": "B0"}, ["/asin"]),
        ({"asin": "PENDING_12"}, ["/asin"]),
        ({"asin": "B000000001", "remember": True}, ["/remember"]),
        ({"asin": "B000000001", "position": 1}, ["/position"]),
    ],
)
def test_an_invalid_decision_is_refused(seller_of_module: Seller, body: dict[str, Any], wrong: list[str]) -> None:
    """422 with a pointer to what is wrong."""
    assert pointers(seller_of_module.http.post(f"/products/{UNKNOWN_ID}/asin", json=body)) == wrong


def test_a_decision_without_an_identifier_cannot_be_remembered(decider: Decider) -> None:
    """422, and nothing is changed."""
    product = decider.product(1, upc=None)
    for answer in (
        decider.chooses(product["id"], "B000000001", remember=True),
        decider.dismisses(product["id"], remember=True),
    ):
        assert "no UPC" in problem(answer, 422)["detail"]
    assert decider.sees(product["id"]) == product


def test_an_unknown_product_is_not_found(decider: Decider) -> None:
    """404, also with a condition."""
    problem(decider.chooses(UNKNOWN_ID, "B000000001"), 404)
    problem(decider.dismisses(UNKNOWN_ID, If_Match=STALE), 404)
