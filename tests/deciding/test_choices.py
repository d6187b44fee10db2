"""Decisions about the ASIN of a product: what they change and refuse, and the history of a product."""

from typing import Final

import pytest

from tests.deciding.deciders import Decider, conflict, refusal
from tests.postgres import execute

_A, _B, _C = "B00000000A", "B00000000B", "B00000000C"
_UPC: Final = "036000291452"
_GTIN: Final = "00036000291452"
_UNKNOWN_ID: Final = "00000000-0000-0000-0000-000000000000"


def _stats(seller: Decider) -> dict[str, int]:
    stats: dict[str, int] = seller.calls("get_asin_stats", p_user_id=seller.id)
    return stats


def test_choosing_a_candidate_gives_the_product_its_asin(seller: Decider) -> None:
    """The answer is the product; the stats follow. Candidates stay, and nothing is remembered."""
    product_id = seller.has_product(upc=_UPC, candidates=[_A, _B])
    assert _stats(seller)["needs_selection"] == 1
    product = seller.decides(product_id, _B)
    assert (product["id"], product["asin"], product["asin_status"]) == (product_id, _B, "asin_found")
    assert (_stats(seller)["needs_selection"], _stats(seller)["asin_found"]) == (0, 1)
    assert seller.dismissed(product_id) == {_A: False, _B: False}
    assert seller.matches() == set()


def test_an_asin_that_is_no_candidate_can_be_entered(seller: Decider) -> None:
    """It replaces a placeholder. The product needs no candidates."""
    product_id = seller.has_product(asin="PENDING_1")
    assert seller.decides(product_id, _A)["asin"] == _A
    assert seller.dismissed(product_id) == {}


def test_a_chosen_candidate_is_not_dismissed_any_more(seller: Decider) -> None:
    """The other candidates stay dismissed."""
    product_id = seller.has_product(candidates=[_A, _B])
    seller.decides(product_id, None)
    seller.decides(product_id, _B)
    assert seller.dismissed(product_id) == {_A: True, _B: False}


def test_none_dismisses_all_candidates(seller: Decider) -> None:
    """The product needs an ASIN again, also if the user had said that there are several ASINs."""
    product_id = seller.has_product(upc=_UPC, multiple_asins=True, candidates=[_A, _B])
    product = seller.decides(product_id, None)
    assert (product["asin"], product["multiple_asins"], product["asin_status"]) == (None, False, "needs_asin")
    assert seller.dismissed(product_id) == {_A: True, _B: True}
    assert (_stats(seller)["needs_selection"], _stats(seller)["needs_asin"]) == (0, 1)
    assert seller.matches() == set()


def test_a_remembered_choice_makes_an_always_match(seller: Decider) -> None:
    """The identifier is a GTIN-14. The match replaces another `always` and a `never` of the same ASIN."""
    execute(
        seller.session,
        "insert into matches (user_id, gtin, asin, verdict) values (%s, %s, %s, 'always'), (%s, %s, %s, 'never'),"
        " (%s, %s, %s, 'never'), (%s, '00000012345670', %s, 'always')",
        *(seller.id, _GTIN, _A, seller.id, _GTIN, _B, seller.id, _GTIN, _C, seller.id, _A),
    )
    seller.decides(seller.has_product(upc=_UPC), _B, remember=True)
    assert seller.matches() == {
        (_GTIN, _B, "always"),
        (_GTIN, _C, "never"),
        ("00000012345670", _A, "always"),
    }


def test_a_remembered_none_makes_a_never_match_for_each_candidate(seller: Decider) -> None:
    """Candidates that were dismissed before are included. A `never` replaces an `always` of the same ASIN."""
    product_id = seller.has_product(upc=_UPC, candidates=[_A, _B])
    seller.decides(seller.has_product("Other", upc="00036000291452"), _B, remember=True)
    assert seller.matches() == {(_GTIN, _B, "always")}
    seller.decides(product_id, None, remember=True)
    assert seller.matches() == {(_GTIN, _A, "never"), (_GTIN, _B, "never")}


def test_the_same_asin_again_changes_nothing(seller: Decider) -> None:
    """No decision is recorded and `updated_at` stays. The choice can still be remembered."""
    product_id = seller.has_product(upc=_UPC, candidates=[_A, _B])
    seller.decides(product_id, _A)
    before, history = seller.product(product_id), seller.history(product_id)
    seller.decides(product_id, _A)
    seller.decides(product_id, _A, remember=True)
    assert (seller.product(product_id), seller.history(product_id)) == (before, history)
    assert seller.matches() == {(_GTIN, _A, "always")}


def test_none_without_an_open_candidate_is_not_recorded(seller: Decider) -> None:
    """There is nothing to undo. It can still be remembered."""
    product_id = seller.has_product(upc=_UPC, candidates=[_A])
    seller.decides(product_id, None)
    seller.decides(product_id, None)
    seller.decides(product_id, None, remember=True)
    assert len(seller.history(product_id)) == 1
    assert seller.matches() == {(_GTIN, _A, "never")}


@pytest.mark.parametrize("asin", ["short", "b00000000a", "PENDING_1", "", "B00000000AA", "B00000000A\n"])
def test_a_text_that_is_no_asin_is_refused(seller: Decider, asin: str) -> None:
    """PT422, and nothing is changed."""
    product_id = seller.has_product(candidates=[_A])
    before = seller.state()
    assert refusal(lambda: seller.decides(product_id, asin)) == ("PT422", None)
    assert seller.state() == before


@pytest.mark.parametrize("asin", [_A, None])
def test_a_product_without_upc_cannot_be_remembered(seller: Decider, asin: str | None) -> None:
    """PT422, and nothing is changed."""
    product_id = seller.has_product(candidates=[_A])
    before = seller.state()
    assert refusal(lambda: seller.decides(product_id, asin, remember=True)) == ("PT422", None)
    assert (seller.state(), seller.history(product_id)) == (before, [])


@pytest.mark.parametrize("asin", [_B, None])
def test_a_product_with_another_asin_is_refused(seller: Decider, asin: str | None) -> None:
    """The conflict `decided` names the product. Nothing is changed or remembered."""
    product_id = seller.has_product(asin=_A, upc=_UPC, candidates=[_A, _B])
    before = seller.state()
    assert refusal(lambda: seller.decides(product_id, asin, remember=True)) == conflict("decided", product_id)
    assert (seller.state(), seller.history(product_id)) == (before, [])


def test_an_asin_of_another_product_is_refused(seller: Decider, other_seller: Decider) -> None:
    """The conflict `asin` names the other product. Nothing is remembered. Products of other users do not matter."""
    other_seller.has_product(asin=_A)
    product_id, other_id = seller.has_product(upc=_UPC, candidates=[_A]), seller.has_product("Other", asin=_B)
    before = seller.state()
    assert refusal(lambda: seller.decides(product_id, _B, remember=True)) == conflict("asin", other_id)
    assert (seller.state(), seller.history(product_id)) == (before, [])
    assert seller.decides(product_id, _A)["asin"] == _A


def test_another_users_product_does_not_exist(seller: Decider, other_seller: Decider) -> None:
    """The answer is null, as for an unknown product. No history is shown."""
    product_id = seller.has_product(candidates=[_A])
    assert other_seller.decides(product_id, _A) is None
    assert other_seller.decides(_UNKNOWN_ID, None) is None
    seller.decides(product_id, _A)
    assert other_seller.decides(product_id, _B) is None
    assert other_seller.history(product_id) == []
    assert len(seller.history(product_id)) == 1


def test_the_history_has_the_newest_decision_first(seller: Decider) -> None:
    """Only the last decision can be undone."""
    product_id = seller.has_product(upc=_UPC, candidates=[_A, _B])
    seller.decides(product_id, None)
    seller.decides(product_id, _A, remember=True)
    seller.decides(seller.has_product("Other"), _B)
    newest, oldest = seller.history(product_id)
    assert {**newest, "id": "", "made_at": ""} == {
        "id": "",
        "kind": "asin",
        "asin": _A,
        "other_product_id": None,
        "remembered": True,
        "made_at": "",
        "undone_at": None,
        "can_undo": True,
    }
    assert (oldest["kind"], oldest["asin"], oldest["remembered"], oldest["can_undo"]) == ("none", None, False, False)
    assert newest["made_at"] > oldest["made_at"]


def test_the_history_has_the_last_fifty_decisions(seller: Decider) -> None:
    """Undone ones included. The older ones are left out."""
    product_id = seller.has_product()
    for number in range(51):
        seller.decides(product_id, f"B{number:09}")
        seller.undoes(seller.history(product_id)[0]["id"])
    shown = [decision["asin"] for decision in seller.history(product_id)]
    assert shown == [f"B{number:09}" for number in range(50, 0, -1)]


def test_a_later_decision_is_newer_although_the_clock_was_set_back(seller: Decider) -> None:
    """Otherwise the earlier decision could be undone, but not the later one."""
    product_id = seller.has_product(candidates=[_A, _B])
    seller.decides(product_id, None)
    seller.ages(seller.history(product_id)[0]["id"], "-1 hour")
    seller.decides(product_id, _A)
    assert [(decision["kind"], decision["can_undo"]) for decision in seller.history(product_id)] == [
        ("asin", True),
        ("none", False),
    ]
