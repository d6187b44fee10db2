"""`POST /products/bulk-asin`: many decisions, as JSON and as pasted lines."""

from typing import Any

import pytest

from tests.barcodes import upc
from tests.matching.deciding import UNKNOWN_ID, Decider
from tests.problems import pointers, problem


def _outcomes(results: list[dict[str, Any]]) -> list[str]:
    assert [result["row"] for result in results] == list(range(len(results)))
    return [result["outcome"] for result in results]


def test_each_row_has_an_outcome(decider: Decider) -> None:
    """The good rows are written, although others are refused. The numbers are fresh."""
    first, second, third = (decider.product(number) for number in range(3))
    taken = decider.product(4, asin="B000000004")
    rows = [
        {"upc": first["upc"], "asin": "b000000001"},
        {"product_id": second["id"], "asin": "B000000002"},
        {"upc": upc(99), "asin": "B000000003"},
        {"product_id": UNKNOWN_ID, "asin": "B000000003"},
        {"product_id": third["id"], "asin": "B000000004"},
        {"product_id": taken["id"], "asin": "B000000004"},
        {"product_id": taken["id"], "asin": "B000000005"},
        {"product_id": third["id"], "asin": "B0"},
        {"product_id": "x", "asin": "B000000003"},
        {"asin": "B000000003"},
    ]
    results = decider.decides_many(rows)
    assert _outcomes(results) == ["set"] * 2 + ["unknown"] * 2 + ["refused", "unchanged"] + ["refused"] * 4
    assert [result["product_id"] for result in results[:2]] == [first["id"], second["id"]]
    assert [(result["conflict"], result["conflict_product_id"]) for result in results[4:7]] == [
        ("asin", taken["id"]),
        (None, None),
        ("decided", taken["id"]),
    ]
    assert [result["reason"] for result in results[7:]] == [
        "An ASIN is exactly 10 letters A-Z or digits",
        "This is not the id of a product",
        "A row names its product by its id or by its UPC",
    ]
    assert all(result["reason"] for result in results if result["outcome"] == "refused")
    assert decider.seller.stats()["asin_found"] == 3
    assert decider.sees(first["id"])["history"][0]["asin"] == "B000000001"


def test_a_row_that_cannot_be_read_does_not_shift_the_others(decider: Decider) -> None:
    """Each outcome has the index of its own row."""
    product = decider.product(1)
    rows = [{"upc": "x", "asin": "B000000001"}, {"product_id": product["id"], "asin": "B000000001"}]
    assert _outcomes(decider.decides_many(rows)) == ["refused", "set"]


def test_lines_can_be_pasted(decider: Decider) -> None:
    """A UPC or id and an ASIN, separated by tabs, commas, semicolons or spaces. Empty lines are not counted."""
    products = [decider.product(number) for number in range(5)]
    lines = [
        f"{products[0]['upc']}\tB000000000", f"  {products[1]['upc']},B000000001", "",
        f"{products[2]['upc']} ; b000000002 ", f"{products[3]['id']}   B000000003", f"{products[4]['upc']}",
        f"{products[4]['upc']} Lamp B000000004",
    ]  # fmt: skip
    results = decider.pastes("\ufeff" + "\r\n".join(lines))
    assert _outcomes(results) == ["set"] * 4 + ["refused"] * 2
    assert {result["reason"] for result in results[4:]} == {"An ASIN is exactly 10 letters A-Z or digits"}
    assert [decider.sees(product["id"])["asin"] for product in products] == [
        *(f"B00000000{number}" for number in range(4)),
        None,
    ]


@pytest.mark.parametrize("as_text", [False, True])
def test_decisions_are_remembered_on_request(decider: Decider, *, as_text: bool) -> None:
    """As a member of the JSON, or as a parameter of the query. A product without an identifier is refused."""
    product, nameless = decider.product(1), decider.product(2, upc=None)
    if as_text:
        results = decider.pastes(f"{product['upc']} B000000001\n{nameless['id']} B000000002", remember="always")
    else:
        rows = [{"upc": product["upc"], "asin": "B000000001"}, {"product_id": nameless["id"], "asin": "B000000002"}]
        results = decider.decides_many(rows, remember="always")
    assert _outcomes(results) == ["set", "refused"]
    assert [match["asin"] for match in decider.matches()["items"]] == ["B000000001"]
    assert decider.sees(nameless["id"])["asin"] is None


def test_two_rows_with_the_same_asin_or_product_are_not_both_set(decider: Decider) -> None:
    """The first one is written."""
    first, second = decider.product(1), decider.product(2)
    rows = [(first, "B000000001"), (second, "B000000001"), (first, "B000000002"), (first, "B000000001")]
    results = decider.decides_many([{"product_id": product["id"], "asin": asin} for product, asin in rows])
    assert _outcomes(results) == ["set", "refused", "refused", "unchanged"]
    assert [result["conflict"] for result in results] == [None, "asin", "decided", None]


def test_a_repeated_request_with_the_same_key_has_the_same_answer(decider: Decider) -> None:
    """The rows are decided once."""
    product = decider.product(1)
    body = {"rows": [{"product_id": product["id"], "asin": "B000000001"}]}
    answers = [
        decider.seller.http.post("/products/bulk-asin", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert answers[0].content == answers[1].content
    assert _outcomes(answers[0].json()["results"]) == ["set"]


def test_a_thousand_rows_are_the_most(decider: Decider) -> None:
    """In both forms. An empty list is refused."""
    row = {"upc": upc(1), "asin": "B000000001"}
    assert _outcomes(decider.decides_many([row] * 1000)) == ["unknown"] * 1000
    for rows in ([row] * 1001, []):
        assert pointers(decider.seller.http.post("/products/bulk-asin", json={"rows": rows})) == ["/rows"]
    for text in (f"{upc(1)} B000000001\n" * 1001, "\n \n"):
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        assert pointers(decider.seller.http.post("/products/bulk-asin", content=text, headers=headers)) == ["/rows"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, ["/rows"]),
        ({"rows": [{"upc": 12345670, "asin": "B000000001"}]}, ["/rows/0/upc"]),
        ({"rows": [{"upc": "12345670"}]}, ["/rows/0/asin"]),
        ({"rows": [{"upc": "12345670", "asin": "B" * 201}]}, ["/rows/0/asin"]),
        ({"rows": [{"upc": "12345670", "asin": "B000000001", "title": "x"}]}, ["/rows/0/title"]),
        ({"rows": [{"upc": "12345670", "asin": "B000000001"}], "remember": "never"}, ["/remember"]),
    ],
)
def test_a_body_in_another_form_is_refused(decider: Decider, body: dict[str, Any], wrong: list[str]) -> None:
    """422 with pointers."""
    assert pointers(decider.seller.http.post("/products/bulk-asin", json=body)) == wrong


@pytest.mark.parametrize("declared", [False, True])
def test_a_text_of_more_than_one_mebibyte_is_refused(decider: Decider, *, declared: bool) -> None:
    """413. A text without a declared length is not cut off and used."""
    text = b"\n" * (1 << 20) + f"{decider.product(1)['upc']} B000000001".encode()
    content = text if declared else iter([text])
    headers = {"Content-Type": "text/plain"}
    problem(decider.seller.http.post("/products/bulk-asin", content=content, headers=headers), 413)


def test_other_media_types_are_refused(decider: Decider) -> None:
    """415 names both that are accepted."""
    answer = decider.seller.http.post("/products/bulk-asin", content="x", headers={"Content-Type": "text/csv"})
    problem(answer, 415)
    assert answer.headers["Accept"] == "application/json, text/plain"
    only_json = decider.seller.http.post("/products", content="x", headers={"Content-Type": "text/plain"})
    problem(only_json, 415)
    assert only_json.headers["Accept"] == "application/json"
