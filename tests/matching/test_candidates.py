"""`PUT /products/<id>/candidates`."""

from typing import Any, Final

import pytest

from tests.matching.deciding import STALE, UNKNOWN_ID, Decider, asins, ok
from tests.problems import pointers, problem

_FULL: Final = {
    "asin": " b000000001 ", "title": " Lamp ", "brand": "Lux", "image_url": "https://m.example.com/i.jpg",
    "category": "Home", "package_quantity": 2, "sales_rank": 12345, "source": "Keepa",
}  # fmt: skip


def test_a_list_replaces_the_candidates(decider: Decider) -> None:
    """They have all the fields that were sent, in the order in which they were sent."""
    product = decider.product(1)
    assert (product["candidates"], product["open_candidates"], product["match"]) == ([], 0, None)
    path = f"/products/{product['id']}/candidates"
    changed = ok(decider.seller.http.put(path, json={"candidates": [{"asin": "B000000009"}, _FULL]}))
    assert asins(changed) == ["B000000009", "B000000001"]
    stored = {**_FULL, "asin": "B000000001", "title": "Lamp", "position": 1, "dismissed": False}
    assert changed["candidates"][1].items() >= stored.items()
    empty = {"title": "", "brand": "", "image_url": "", "package_quantity": None, "sales_rank": None, "source": ""}
    assert changed["candidates"][0].items() >= empty.items()
    assert asins(ok(decider.proposes(product["id"], "B000000002"))) == ["B000000002"]
    assert decider.sees(product["id"])["candidates"][0]["asin"] == "B000000002"


@pytest.mark.parametrize(("number", "status"), [(0, "needs_asin"), (1, "needs_asin"), (2, "needs_selection")])
def test_two_candidates_make_a_product_need_a_selection(decider: Decider, number: int, status: str) -> None:
    """The product, the list and the numbers say the same. One candidate stays a proposal."""
    product = decider.product(1)
    decider.proposes(product["id"], "B000000007", "B000000008", "B000000009")
    assert decider.seller.stats()["needs_selection"] == 1
    changed = ok(decider.proposes(product["id"], *(f"B00000000{place}" for place in range(number))))
    assert (changed["asin_status"], changed["open_candidates"], changed["asin"]) == (status, number, None)
    assert decider.seller.stats()[status] == 1
    assert [deal["product"]["open_candidates"] for deal in decider.seller.lists(asin_status=status)] == [number]


def test_a_single_candidate_becomes_the_asin_on_request(decider: Decider) -> None:
    """Only with `accept_single`, and only if it is the only one that is open."""
    product = decider.product(1)
    two = ok(decider.proposes(product["id"], "B000000001", "B000000002", accept_single=True))
    assert (two["asin"], two["asin_status"]) == (None, "needs_selection")
    one = ok(decider.proposes(product["id"], "B000000001", accept_single=True))
    assert (one["asin"], one["asin_status"]) == ("B000000001", "asin_found")
    assert decider.seller.stats()["asin_found"] == 1


def test_an_accepted_asin_of_another_product_is_a_conflict(decider: Decider) -> None:
    """409 names the other product, and the candidates stay as they were."""
    first, second = decider.product(1, asin="B000000001"), decider.product(2)
    decider.proposes(second["id"], "B000000005")
    document = problem(decider.proposes(second["id"], "B000000001", accept_single=True), 409)
    assert (document["conflict"], document["product_ids"]) == ("asin", [first["id"]])
    assert asins(decider.sees(second["id"])) == ["B000000005"]
    assert asins(ok(decider.proposes(second["id"], "B000000001"))) == ["B000000001"]


def test_a_dismissed_candidate_stays_dismissed(decider: Decider) -> None:
    """Whether the next list names it or not. It is not counted."""
    product = decider.product(1)
    decider.proposes(product["id"], "B000000001", "B000000002")
    decider.dismisses(product["id"])
    changed = ok(decider.proposes(product["id"], "B000000001", "B000000003"))
    assert (asins(changed), asins(changed, dismissed=True)) == (["B000000003"], ["B000000001", "B000000002"])
    assert (changed["open_candidates"], changed["asin_status"]) == (1, "needs_asin")


def test_matches_apply_to_candidates(decider: Decider) -> None:
    """An ASIN that never matches the identifier is left out. One that always matches becomes the ASIN."""
    product = decider.product(1)
    decider.proposes(product["id"], "B000000001", "B000000002")
    decider.dismisses(product["id"], remember=True)
    decider.seller.deletes(product["deals"][0]["id"], hard=True)
    again = decider.product(1)
    assert asins(ok(decider.proposes(again["id"], "B000000001", "B000000003"))) == ["B000000003"]
    decider.chooses(again["id"], "B000000003", remember=True)
    decider.seller.http.patch(f"/products/{again['id']}", json={"asin": None})
    assert ok(decider.proposes(again["id"], "B000000004", "B000000005"))["asin"] == "B000000003"


@pytest.mark.parametrize(
    ("candidates", "wrong"),
    [
        (None, ["/candidates"]),
        ([{}], ["/candidates/0/asin"]),
        ([{"asin": "B000000001"}, {"asin": "B0"}], ["/candidates/1/asin"]),
        ([{"asin": "PENDING_12"}], ["/candidates/0/asin"]),
        ([{"asin": "B000000001"}, {"asin": "b000000001"}], ["/candidates"]),
        ([{"asin": f"B{number:09}"} for number in range(51)], ["/candidates"]),
        ([{"asin": "B000000001", "image_url": "http://example.com/i.jpg"}], ["/candidates/0/image_url"]),
        ([{"asin": "B000000001", "image_url": "https://example.com/a b"}], ["/candidates/0/image_url"]),
        ([{"asin": "B000000001", "image_url": "https://"}], ["/candidates/0/image_url"]),
        ([{"asin": "B000000001", "title": "x" * 501}], ["/candidates/0/title"]),
        ([{"asin": "B000000001", "title": "a\0b"}], ["/candidates/0/title"]),
        ([{"asin": "B000000001", "sales_rank": 0}], ["/candidates/0/sales_rank"]),
        ([{"asin": "B000000001", "package_quantity": 1.5}], ["/candidates/0/package_quantity"]),
        ([{"asin": "B000000001", "source": "x" * 101}], ["/candidates/0/source"]),
        ([{"asin": "B000000001", "position": 3}], ["/candidates/0/position"]),
    ],
)
def test_invalid_candidates_are_refused(decider: Decider, candidates: Any, wrong: list[str]) -> None:  # noqa: ANN401
    """422 with a pointer to each invalid field. Nothing is changed."""
    product = decider.product(1)
    decider.proposes(product["id"], "B000000009")
    answer = decider.seller.http.put(f"/products/{product['id']}/candidates", json={"candidates": candidates})
    assert pointers(answer) == wrong
    assert asins(decider.sees(product["id"])) == ["B000000009"]


def test_fifty_candidates_are_the_most(decider: Decider) -> None:
    """Dismissed candidates that the list does not name make room for those that it names."""
    product = decider.product(1)
    many = [f"B{number:09}" for number in range(50)]
    assert ok(decider.proposes(product["id"], *many))["open_candidates"] == 50
    decider.dismisses(product["id"])
    changed = ok(decider.proposes(product["id"], "B000000001", "B100000001"))
    assert (asins(changed), len(changed["candidates"])) == (["B100000001"], 50)


def test_an_unknown_product_is_not_found(decider: Decider) -> None:
    """404."""
    problem(decider.proposes(UNKNOWN_ID, "B000000001"), 404)


def test_the_conditions_of_the_request_apply(decider: Decider) -> None:
    """412 if the product was changed. A repeated request with the same key has the same answer and changes nothing."""
    product = decider.product(1)
    problem(decider.proposes(product["id"], "B000000001", If_Match=STALE), 412)
    changed = decider.proposes(product["id"], "B000000001", If_Match=f'"{product["etag"]}"', Idempotency_Key="k")
    assert changed.headers["ETag"].strip('"').removesuffix("-gzip") == ok(changed)["etag"] != product["etag"]
    decider.proposes(product["id"], "B000000002")
    again = decider.proposes(product["id"], "B000000001", If_Match=f'"{product["etag"]}"', Idempotency_Key="k")
    assert again.content == changed.content
    assert asins(decider.sees(product["id"])) == ["B000000002"]
