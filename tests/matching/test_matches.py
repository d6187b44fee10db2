"""`GET` and `DELETE /matches`."""

import json

import pytest

from app.products.cursors import pack
from tests.barcodes import upc
from tests.matching.deciding import Decider, ok
from tests.problems import pointers, problem
from tests.sellers import Seller

_AT = "2026-11-28T09:30:00+00:00"


def _remembers(decider: Decider, number: int, **fields: object) -> str:
    """Remember an ASIN for a new product, and return its UPC."""
    product = decider.product(number, **fields)
    ok(decider.chooses(product["id"], f"B{number:09}", remember=True))
    return str(product["upc"])


def test_matches_are_listed_newest_first(decider: Decider) -> None:
    """With the title of the product that has the identifier, if there is one."""
    first, second = _remembers(decider, 1, title="Lamp"), _remembers(decider, 2)
    decider.seller.deletes(decider.seller.lists()[0]["id"], hard=True)
    dismissed = decider.product(3, title="Chair")
    decider.proposes(dismissed["id"], "B000000009")
    decider.dismisses(dismissed["id"], remember=True)
    page = decider.matches()
    shown = [(match["gtin"], match["asin"], match["verdict"], match["title"]) for match in page["items"]]
    assert shown == [
        (dismissed["upc"].zfill(14), "B000000009", "never", "Chair"),
        (second.zfill(14), "B000000002", "always", None),
        (first.zfill(14), "B000000001", "always", "Lamp"),
    ]
    assert page["next_cursor"] is None


def test_pages_have_every_match_once(decider: Decider) -> None:
    """`Link` leads from page to page, also while matches are added."""
    upcs = [_remembers(decider, number) for number in range(5)]
    found, address = [], "/matches?limit=2"
    for _ in range(3):
        answer = decider.seller.http.get(address)
        found += [match["gtin"] for match in answer.json()["items"]]
        _remembers(decider, 100 + len(found))
        address = answer.links.get("next", {"url": ""})["url"]
    assert (address, found) == ("", [number.zfill(14) for number in reversed(upcs)])
    assert answer.links["first"]["url"] == "/matches?limit=2"


@pytest.mark.parametrize(
    ("search", "found"),
    [("b00000000", [2, 1]), (" B000000001 ", [1]), ("0002", [2]), (upc(1), [1]), ("%", []), ("_", []), ("x y", [])],
)
def test_matches_can_be_searched(decider: Decider, search: str, found: list[int]) -> None:
    """By a part of the ASIN in any letter case, or of the identifier. Nothing else has a special meaning."""
    for number in (1, 2):
        _remembers(decider, number)
    assert [match["asin"] for match in decider.matches(search=search)["items"]] == [f"B{number:09}" for number in found]


def test_a_match_is_forgotten(decider: Decider) -> None:
    """By any form of its identifier. The product keeps its ASIN, and a later one gets none."""
    number = _remembers(decider, 1)
    product = decider.seller.lists()[0]["product"]
    answer = decider.seller.http.delete(f"/matches/{number}/b000000001")
    assert (answer.status_code, answer.content) == (204, b"")
    assert decider.matches()["items"] == []
    seen = decider.sees(product["id"])
    assert (seen["asin"], seen["match"]) == ("B000000001", None)
    decider.seller.deletes(seen["deals"][0]["id"], hard=True)
    assert decider.product(1)["asin"] is None
    problem(decider.seller.http.delete(f"/matches/{number.zfill(14)}/B000000001"), 404)


@pytest.mark.parametrize(
    "path", ["x/B000000001", "1234567/B000000001", "12345670/x", "%00/B000000001", "12345670/%C3%9F"]
)
def test_an_unknown_match_is_not_found(seller_of_module: Seller, path: str) -> None:
    """404, whatever the path contains."""
    problem(seller_of_module.http.delete(f"/matches/{path}"), 404)


def test_a_repeated_deletion_with_the_same_key_succeeds(decider: Decider) -> None:
    """204 twice."""
    number = _remembers(decider, 1)
    for _ in range(2):
        answer = decider.seller.http.delete(f"/matches/{number}/B000000001", headers={"Idempotency-Key": "k"})
        assert answer.status_code == 204


@pytest.mark.parametrize(
    "cursor",
    [
        "x", pack(_AT, "0" * 14), pack(_AT, "0" * 14, "x"), pack(_AT, "0", "B000000001"),
        pack("x", "0" * 14, "B000000001"), pack("2026-11-28", "0" * 14, "B000000001"),
        pack("9999-99-99", "0" * 14, "B000000001"),
    ],
)  # fmt: skip
def test_an_invalid_cursor_is_refused(seller_of_module: Seller, cursor: str) -> None:
    """422, and not an error of the database."""
    assert pointers(seller_of_module.http.get("/matches", params={"cursor": cursor})) == ["/cursor"]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [({"limit": 0}, "/limit"), ({"limit": 201}, "/limit"), ({"search": " "}, "/search"), ({"x": 1}, "/x")],
)
def test_invalid_parameters_are_refused(seller_of_module: Seller, query: dict[str, str], wrong: str) -> None:
    """422 with a pointer to the parameter."""
    assert pointers(seller_of_module.http.get("/matches", params=query)) == [wrong]


def test_an_unchanged_page_is_not_sent_again(decider: Decider) -> None:
    """304."""
    _remembers(decider, 1)
    tag = decider.seller.http.get("/matches").headers["ETag"]
    assert decider.seller.http.get("/matches", headers={"If-None-Match": tag}).status_code == 304
    assert json.loads(decider.seller.http.get("/matches").text)["items"]
