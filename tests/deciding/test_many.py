"""Deciding the ASINs of many products: every row is judged, and the valid ones are written."""

from typing import Any, Final

import pytest
from psycopg.types.json import Jsonb

from tests.deciding.deciders import Decider, refusal
from tests.postgres import execute

_A, _B, _C = "B00000000A", "B00000000B", "B00000000C"
_UPC, _EAN = "036000291452", "0036000291452"
_GTIN: Final = "00036000291452"
_UNKNOWN_ID: Final = "00000000-0000-0000-0000-000000000000"


def _decides(seller: Decider, *rows: dict[str, Any], remember: bool = False) -> list[dict[str, Any]]:
    answer = seller.changes("decide_many", p_rows=Jsonb(rows), p_remember=remember)
    results: list[dict[str, Any]] = answer["results"]
    assert [result["row"] for result in results] == list(range(len(rows)))
    return results


def _result(row: int, outcome: str, product_id: str | None, **members: str) -> dict[str, Any]:
    empty = {"conflict": None, "reason": None, "conflict_product_id": None}
    return {"row": row, "outcome": outcome, "product_id": product_id, **empty, **members}


def test_every_row_has_its_outcome(seller: Decider, other_seller: Decider) -> None:
    """In the order of the rows. A later row sees what an earlier one has changed."""
    by_id, by_upc = seller.has_product(), seller.has_product(upc=_UPC)
    decided, foreign = seller.has_product(asin=_C), other_seller.has_product(upc="12345670")
    results = _decides(
        seller,
        {"product_id": by_id, "asin": _A},
        {"upc": _EAN, "asin": _A},
        {"upc": _UPC, "asin": _B},
        {"product_id": by_id, "asin": _A},
        {"product_id": decided, "asin": "B00000000D"},
        {"product_id": foreign, "asin": "B00000000E"},
        {"upc": "12345670", "asin": "B00000000E"},
        {"product_id": _UNKNOWN_ID, "asin": "wrong"},
        {"upc": _UPC, "asin": "wrong"},
    )
    taken, other, wrong = results[1]["reason"], results[4]["reason"], results[8]["reason"]
    assert results == [
        _result(0, "set", by_id),
        _result(1, "refused", by_upc, conflict="asin", reason=taken, conflict_product_id=by_id),
        _result(2, "set", by_upc),
        _result(3, "unchanged", by_id),
        _result(4, "refused", decided, conflict="decided", reason=other, conflict_product_id=decided),
        _result(5, "unknown", None),
        _result(6, "unknown", None),
        _result(7, "unknown", None),
        _result(8, "refused", by_upc, reason=wrong),
    ]
    assert "Another of your products" in taken
    assert _C in other
    assert "10 characters" in wrong
    assert [seller.product(each)["asin"] for each in (by_id, by_upc, decided)] == [_A, _B, _C]
    assert other_seller.product(foreign)["asin"] is None


def test_each_decision_can_be_undone_by_itself(seller: Decider) -> None:
    """Each one is in the history of its product."""
    first, second = seller.has_product(), seller.has_product("Other")
    _decides(seller, {"product_id": first, "asin": _A}, {"product_id": second, "asin": _B})
    seller.undoes(seller.history(first)[0]["id"])
    assert [seller.product(each)["asin"] for each in (first, second)] == [None, _B]


def test_the_decisions_can_be_remembered(seller: Decider) -> None:
    """Also one that is unchanged. A product without UPC is refused then."""
    without, known = seller.has_product(), seller.has_product(asin=_A, upc=_UPC)
    results = _decides(seller, {"product_id": without, "asin": _B}, {"product_id": known, "asin": _A}, remember=True)
    assert [result["outcome"] for result in results] == ["refused", "unchanged"]
    assert "no UPC" in results[0]["reason"]
    assert seller.matches() == {(_GTIN, _A, "always")}


def test_the_product_with_exactly_this_upc_comes_first(seller: Decider) -> None:
    """A UPC and an EAN with a leading zero are one GTIN-14."""
    ean, upc = seller.has_product(upc=_EAN), seller.has_product("Other", upc=_UPC)
    assert _decides(seller, {"upc": _UPC, "asin": _A})[0]["product_id"] == upc
    assert _decides(seller, {"upc": _EAN, "asin": _B})[0]["product_id"] == ean
    assert _decides(seller, {"upc": _GTIN, "asin": _B})[0] == _result(0, "unchanged", ean)


def test_a_merged_product_stands_for_the_one_into_which_it_was_merged(seller: Decider) -> None:
    """Found by its id or by its UPC."""
    source, target = seller.has_product(upc=_UPC), seller.has_product("Other", upc="12345670")
    seller.changes("merge_products", p_product_id=source, p_into=target)
    results = _decides(seller, {"upc": _UPC, "asin": _A}, {"product_id": source, "asin": _A})
    assert results == [_result(0, "set", target), _result(1, "unchanged", target)]


@pytest.mark.parametrize("upc", ["036000291452036000291452", "", "x", "36000291452"])
def test_another_text_is_an_unknown_upc(seller: Decider, upc: str) -> None:
    """A number without its leading zero is found, as private.gtin says."""
    product_id = seller.has_product(upc=_UPC)
    seller.has_product("Zeros", upc="00000000")
    wanted = ("set", product_id) if upc == "36000291452" else ("unknown", None)
    result = _decides(seller, {"upc": upc, "asin": _A})[0]
    assert (result["outcome"], result["product_id"]) == wanted


@pytest.mark.parametrize(
    "rows",
    [
        None,
        {},
        [],
        [{"upc": _UPC, "asin": _A}] * 1001,
        ["B00000000A"],
        [{"asin": _A}],
        [{"upc": _UPC, "product_id": _UNKNOWN_ID, "asin": _A}],
        [{"upc": _UPC, "asin": _A, "title": "Lamp"}],
        [{"product_id": "lamp", "asin": _A}],
    ],
)
def test_rows_of_a_wrong_form_change_nothing(seller: Decider, rows: object) -> None:
    """PT422, also for the rows before."""
    seller.has_product(upc=_UPC)
    before = seller.state()
    if isinstance(rows, list) and len(rows) == 1:
        rows = [{"upc": _UPC, "asin": _A}, *rows]
    assert refusal(lambda: seller.changes("decide_many", p_rows=Jsonb(rows)))[0] == "PT422"
    assert seller.state() == before


def test_a_row_without_an_asin_is_refused(seller: Decider) -> None:
    """It does not dismiss the candidates."""
    product_id = seller.has_product(upc=_UPC, candidates=[_A, _B])
    results = _decides(seller, {"upc": _UPC}, {"upc": _UPC, "asin": None}, {"upc": _UPC, "asin": ""})
    assert [result["outcome"] for result in results] == ["refused"] * 3
    assert seller.dismissed(product_id) == {_A: False, _B: False}


def test_a_thousand_products_get_their_asins(seller: Decider) -> None:
    """The limit of one call."""
    made = execute(
        seller.session,
        "with p as (insert into products (user_id, title) select %s, 'P' from generate_series(1, 1000) returning *)"
        " insert into deals (user_id, product_id) select user_id, id from p returning product_id::text as id",
        seller.id,
    )
    rows = [{"product_id": row["id"], "asin": f"B{number:09}"} for number, row in enumerate(made)]
    assert {result["outcome"] for result in _decides(seller, *rows)} == {"set"}
    assert seller.calls("get_asin_stats", p_user_id=seller.id)["asin_found"] == 1000
