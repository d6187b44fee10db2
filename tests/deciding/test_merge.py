"""Merging a product into another one: what moves, what is combined, and what is refused."""

from functools import partial
from typing import Any, Final

import pytest
from psycopg.types.json import Jsonb

from tests.deciding.deciders import Decider, conflict, refusal
from tests.postgres import execute

_A, _B, _C, _D = (f"B00000000{letter}" for letter in "ABCD")
_UPC, _OTHER_UPC = "036000291452", "12345670"
_UNKNOWN_ID: Final = "00000000-0000-0000-0000-000000000000"
_WRONG_UPC: Final = "036000291453"


def _merges(seller: Decider, source: str, target: str) -> Any:  # noqa: ANN401 - any JSON
    return seller.changes("merge_products", p_product_id=source, p_into=target)


def _sets(seller: Decider, product_id: str, supplier: str, **values: object) -> None:
    """Set columns of a deal. A given `updated_at` stays, although a trigger sets it with the other columns."""
    for step in [{name: value for name, value in values.items() if name != "updated_at"}, values]:
        columns = ", ".join(f"{name} = %s" for name in step)
        text = f"update deals set {columns} where product_id = %s and supplier = %s"  # noqa: S608 - our own names
        with seller.session.transaction():
            if "updated_at" in step:
                execute(seller.session, "set local session_replication_role = replica")  # disables the triggers
            execute(seller.session, text, *step.values(), product_id, supplier)


def _deals(seller: Decider, product_id: str) -> dict[str, dict[str, Any]]:
    """Return the deals of a product by supplier."""
    rows = execute(seller.session, "select * from deals where product_id = %s", product_id)
    return {row["supplier"]: row for row in rows}


def test_the_deals_of_the_source_move(seller: Decider) -> None:
    """Deleted ones too. The answer is the target, the source has no deals, and one product is counted."""
    source, target = seller.has_product(suppliers=["Acme", "Bolt"]), seller.has_product("Other", suppliers=["Cable"])
    _sets(seller, source, "Bolt", active=False, deleted_at="2026-01-01")
    before = {**_deals(seller, source), **_deals(seller, target)}
    product = _merges(seller, source, target)
    assert product["id"] == target
    after = _deals(seller, target)
    assert set(after) == {"Acme", "Bolt", "Cable"}
    for supplier, deal in after.items():
        moved = {"product_id", "updated_at", "title_key"}
        assert {name: deal[name] for name in deal if name not in moved} == {
            name: value for name, value in before[supplier].items() if name not in moved
        }
    assert _deals(seller, source) == {}
    assert str(seller.product(source)["merged_into"]) == target
    assert seller.calls("get_asin_stats", p_user_id=seller.id)["all"] == 1


@pytest.mark.parametrize("source_is_newer", [True, False])
def test_a_deal_that_both_have_keeps_the_newer_values_and_fills_its_gaps(
    seller: Decider, *, source_is_newer: bool
) -> None:
    """Letter case does not matter. The other values are put away in a deleted deal of the source."""
    source, target = seller.has_product(suppliers=["ACME"]), seller.has_product("Other", suppliers=["acme"])
    newer, older = ((source, "ACME"), (target, "acme")) if source_is_newer else ((target, "acme"), (source, "ACME"))
    _sets(seller, *newer, buy_cost=None, moq=None, stage="ordered", notes="", updated_at="2026-02-01")
    _sets(seller, *older, buy_cost=7, moq=2, stage="new", notes="n", favorite=True, updated_at="2026-01-01")
    _merges(seller, source, target)
    (merged,) = _deals(seller, target).values()
    wanted = {"supplier": newer[1], "buy_cost": 7, "moq": 2, "stage": "ordered", "notes": "n", "favorite": True}
    assert {name: merged[name] for name in wanted} == wanted
    assert (merged["active"], merged["deleted_at"]) == (True, None)
    (put_away,) = _deals(seller, source).values()
    wanted = {"supplier": older[1], "buy_cost": 7, "moq": 2, "stage": "new", "notes": "n", "favorite": True}
    assert {name: put_away[name] for name in wanted} == wanted
    assert (put_away["active"], put_away["deleted_at"] is not None) == (False, True)
    restored = seller.changes("bulk_deals", p_action="restore", p_deal_ids=[str(put_away["id"])])
    assert restored["changed"] == 1


@pytest.mark.parametrize("deleted", ["source", "target"])
def test_an_active_deal_counts_as_newer_than_a_deleted_one(seller: Decider, deleted: str) -> None:
    """A deleted deal only fills gaps, and the merged deal is active."""
    products = {"source": seller.has_product(), "target": seller.has_product("Other")}
    for role, product_id in products.items():
        _sets(seller, product_id, "Acme", moq={"source": 1, "target": 2}[role], updated_at="2026-01-01")
    _sets(
        seller, products[deleted], "Acme", active=False, deleted_at="2026-02-01", updated_at="2026-02-01", notes="gone"
    )
    _merges(seller, products["source"], products["target"])
    merged = _deals(seller, products["target"])["Acme"]
    assert (merged["active"], merged["deleted_at"], merged["notes"]) == (True, None, "gone")
    assert merged["moq"] == {"source": 2, "target": 1}[deleted]


def test_two_deleted_deals_stay_deleted(seller: Decider) -> None:
    """The merged deal can be restored as long as the one that was deleted last."""
    source, target = seller.has_product(), seller.has_product("Other")
    _sets(seller, source, "Acme", active=False, deleted_at="2026-02-01")
    _sets(seller, target, "Acme", active=False, deleted_at="2026-01-01")
    _merges(seller, source, target)
    assert [_deals(seller, each)["Acme"]["active"] for each in (source, target)] == [False, False]
    assert _deals(seller, target)["Acme"]["deleted_at"].isoformat() == "2026-02-01T00:00:00+00:00"


def test_the_target_gets_the_identifiers_and_the_brand_that_it_misses(seller: Decider) -> None:
    """The source gives up ASIN and UPC, and keeps its brand. A placeholder is a gap."""
    source = seller.has_product(asin=_A, upc=_UPC, brand="Brand")
    target = seller.has_product("Other", asin="PENDING_1")
    product = _merges(seller, source, target)
    assert (product["asin"], product["upc"], product["brand"]) == (_A, _UPC, "Brand")
    assert (product["title"], product["asin_status"]) == ("Other", "asin_found")
    left = seller.product(source)
    assert (left["asin"], left["upc"], left["brand"]) == (None, None, "Brand")
    (decision,) = seller.history(target)
    assert (decision["kind"], decision["asin"], decision["other_product_id"]) == ("merge", _A, source)


def test_the_target_keeps_its_own_values(seller: Decider) -> None:
    """The source keeps its UPC, so that later rows with it find the target."""
    source, target = seller.has_product(upc=_UPC, brand="Brand"), seller.has_product(asin=_A, upc=_OTHER_UPC, brand="B")
    product = _merges(seller, source, target)
    assert (product["asin"], product["upc"], product["brand"]) == (_A, _OTHER_UPC, "B")
    assert seller.product(source)["upc"] == _UPC
    assert seller.history(target)[0]["asin"] is None


def test_a_upc_with_a_wrong_check_digit_stays_where_it_is(seller: Decider) -> None:
    """It was stored before check digits were required, and could not be stored again."""
    source, target = seller.has_product(), seller.has_product("Other")
    with seller.session.transaction():
        execute(seller.session, "alter table products disable trigger products_check_digit")
        execute(seller.session, "update products set upc = %s where id = %s", _WRONG_UPC, source)
        execute(seller.session, "alter table products enable trigger products_check_digit")
    assert _merges(seller, source, target)["upc"] is None
    assert seller.product(source)["upc"] == _WRONG_UPC


def test_the_candidates_are_united(seller: Decider) -> None:
    """After those of the target, in their order. What was dismissed for one of them is dismissed."""
    source = seller.has_product(upc=_UPC, candidates=[_C, _A, _D, _B])
    target = seller.has_product("Other", upc=_OTHER_UPC, candidates=[_A])
    execute(
        seller.session,
        "update candidates set dismissed = true where product_id = %s and asin in (%s, %s)",
        *(source, _A, _C),
    )
    execute(
        seller.session,
        "insert into matches (user_id, gtin, asin, verdict) values (%s, lpad(%s, 14, '0'), %s, 'never')",
        *(seller.id, _OTHER_UPC, _D),
    )
    _merges(seller, source, target)
    assert list(seller.dismissed(target).items()) == [(_A, True), (_B, False), (_C, True)]
    assert seller.product(target)["open_candidates"] == 1
    assert set(seller.dismissed(source)) == {_A, _B, _C, _D}


def test_a_product_gets_at_most_fifty_candidates(seller: Decider) -> None:
    """Open candidates of the source come first; the others stay with the source."""
    source = seller.has_product(candidates=[f"S{number:09}" for number in range(50)])
    target = seller.has_product("Other", candidates=[f"T{number:09}" for number in range(40)])
    execute(
        seller.session,
        "update candidates set dismissed = true where product_id = %s and asin < 'S000000030'",
        source,
    )
    _merges(seller, source, target)
    assert list(seller.dismissed(target))[40:] == [f"S{number:09}" for number in range(30, 40)]
    assert len(seller.dismissed(source)) == 50


def test_products_that_were_merged_before_follow(seller: Decider) -> None:
    """They are merged into the last target, so that one step finds it."""
    first, second, third = (seller.has_product(title, suppliers=[title]) for title in ("One", "Two", "Three"))
    _merges(seller, first, second)
    _merges(seller, second, third)
    assert [str(seller.product(each)["merged_into"]) for each in (first, second)] == [third, third]
    assert set(_deals(seller, third)) == {"One", "Two", "Three"}


def test_the_target_can_be_removed_permanently(seller: Decider) -> None:
    """With its last deal. Then the source stands for itself again, and the next row with its UPC finds it."""
    source, target = seller.has_product(upc=_UPC), seller.has_product("Other", upc=_OTHER_UPC, suppliers=["Bolt"])
    _merges(seller, source, target)
    for deal in _deals(seller, target).values():
        assert seller.changes("delete_deal", p_deal_id=str(deal["id"]), p_hard=True) is True
    assert seller.product(source)["merged_into"] is None
    created = seller.changes("create_product", p_product=Jsonb({"title": "Lamp", "upc": _UPC}), p_deal=Jsonb({}))
    assert created["deal"]["product_id"] == source


def test_two_products_with_different_asins_are_refused(seller: Decider) -> None:
    """The conflict names both. Nothing is changed."""
    source, target = seller.has_product(asin=_A), seller.has_product(asin=_B)
    before = seller.state()
    assert refusal(lambda: _merges(seller, source, target)) == conflict("two-asins", source, target)
    assert (seller.state(), seller.history(target)) == (before, [])


def test_a_merged_product_is_not_merged_again(seller: Decider) -> None:
    """Neither as the source nor as the target. The conflict names the product into which it was merged."""
    source, target, third = seller.has_product(), seller.has_product("Other"), seller.has_product("Third")
    _merges(seller, source, target)
    before = seller.state()
    for pair in ((source, target), (source, third), (third, source)):
        assert refusal(partial(_merges, seller, *pair)) == conflict("merged", target)
    assert seller.state() == before


def test_a_product_is_not_merged_into_itself(seller: Decider) -> None:
    """PT422, and nothing is changed."""
    product_id = seller.has_product()
    before = seller.state()
    assert refusal(lambda: _merges(seller, product_id, product_id)) == ("PT422", None)
    assert seller.state() == before


def test_a_product_of_another_user_does_not_exist(seller: Decider, other_seller: Decider) -> None:
    """Neither as the source nor as the target. The answer is null, and nothing is changed for either user."""
    own, foreign = seller.has_product(), other_seller.has_product()
    before = seller.state(), other_seller.state()
    for pair in ((own, foreign), (foreign, own), (own, _UNKNOWN_ID), (_UNKNOWN_ID, own), (foreign, foreign)):
        assert _merges(seller, *pair) is None
    assert (seller.state(), other_seller.state()) == before


def test_a_merged_product_gets_no_asin(seller: Decider) -> None:
    """An ASIN of a product that no list shows would be in the way. After its deal is restored, it can get one."""
    source, target = seller.has_product(), seller.has_product("Other")
    put_away = str(_deals(seller, source)["Acme"]["id"])
    _merges(seller, source, target)
    for asin in (_A, None):
        assert refusal(partial(seller.decides, source, asin)) == conflict("merged", target)
    seller.changes("bulk_deals", p_action="restore", p_deal_ids=[put_away])
    assert seller.decides(source, _A)["asin"] == _A
