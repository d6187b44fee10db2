"""Random decisions, merges and undos: an undo restores all rows, and a merge loses no deal and no value."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.counters.catalogues import counter_errors
from tests.counters.lists import list_errors
from tests.deciding.deciders import Decider, new_decider
from tests.postgres import PostgresServer, execute

_ASINS: Final = ("B00000000A", "B00000000B", "B00000000C")
# The first two are one identifier. The last one makes a product that has no identifier.
_UPCS: Final = ("036000291452", "0036000291452", "12345670", None)
_IDS: Final = "select id::text as id from deciding.decisions where user_id = %s and undone_at is null order by made_at"
_DEAL: Final = """
insert into deals (user_id, product_id, supplier, buy_cost, moq, stage, favorite, notes, active, deleted_at, updated_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, '2026-01-01'::timestamptz + %s * interval '1 day')
"""
_DEALS: Final = """
select d.id, d.product_id::text, d.supplier, d.buy_cost, d.moq, d.stage, d.favorite, d.notes, d.active, d.deleted_at,
    d.updated_at
from deals d where d.user_id = %s
"""
_CANDIDATE: Final = (
    "insert into candidates (user_id, product_id, asin, position, dismissed) values (%s, %s, %s, %s, %s)"
)


@dataclass(frozen=True, slots=True)
class Deal:
    """The values of a deal, and the day on which it changed last."""

    supplier: str
    buy_cost: str | None
    moq: int | None
    stage: str
    notes: str
    day: int
    favorite: bool
    active: bool


@dataclass(frozen=True, slots=True)
class Product:
    """A product with its candidates, as pairs of ASIN and dismissed mark, and its deals."""

    asin: str | None
    brand: str
    candidates: dict[str, bool]
    deals: list[Deal]
    multiple_asins: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A decision about a product, a merge into another one, or, if there is neither ASIN nor target, an undo.

    Attributes:
        kind: "asin", "none", "merge" or "undo".
        product: the place of the product.
        other: the place of the product into which it is merged.

    """

    kind: str
    product: int
    other: int
    asin: str
    remember: bool


_deals = st.builds(
    Deal,
    supplier=st.sampled_from(["Acme", "ACME", "Bolt", "bolt", "Cable", ""]),
    buy_cost=st.sampled_from([None, "0", "12.50", "7.05"]),
    moq=st.sampled_from([None, 1, 12]),
    stage=st.sampled_from(["new", "ordered"]),
    notes=st.sampled_from(["", "one", "two"]),
    day=st.integers(0, 3),
    favorite=st.booleans(),
    active=st.booleans(),
)
_products = st.builds(
    Product,
    asin=st.sampled_from([None, None, None, "PENDING_1", *_ASINS]),
    brand=st.sampled_from(["", "Brand"]),
    candidates=st.dictionaries(st.sampled_from(_ASINS), st.booleans()),
    deals=st.lists(_deals, max_size=4, unique_by=lambda deal: deal.supplier.lower()),
    multiple_asins=st.booleans(),
)
_catalogues = st.lists(
    _products,
    min_size=len(_UPCS),
    max_size=len(_UPCS),
    unique_by=lambda product: product.asin if product.asin in _ASINS else object(),
)
_steps = st.builds(
    Step,
    kind=st.sampled_from(["asin", "asin", "none", "merge", "merge", "undo"]),
    product=st.integers(0, len(_UPCS) - 1),
    other=st.integers(0, len(_UPCS) - 1),
    asin=st.sampled_from(_ASINS),
    remember=st.booleans(),
)


def _fill(seller: Decider, catalogue: Sequence[Product]) -> list[str]:
    """Insert the products and return their ids."""
    ids = []
    for product, upc in zip(catalogue, _UPCS, strict=True):
        product_id = seller.has_product(
            asin=product.asin, upc=upc, brand=product.brand, multiple_asins=product.multiple_asins, suppliers=[]
        )
        for place, (asin, dismissed) in enumerate(product.candidates.items()):
            execute(seller.session, _CANDIDATE, seller.id, product_id, asin, place, dismissed)
        for deal in product.deals:
            values = (deal.supplier, deal.buy_cost, deal.moq, deal.stage, deal.favorite, deal.notes, deal.active)
            gone = None if deal.active else f"2026-03-0{deal.day + 1}"
            execute(seller.session, _DEAL, seller.id, product_id, *values, gone, deal.day)
        ids.append(product_id)
    return ids


def _errors(seller: Decider) -> list[Any]:
    """Return the counters and lists that differ from the tables."""
    with seller.session.transaction():
        return counter_errors(seller.session, seller.id) + list_errors(partial(execute, seller.session), seller.id)


def _decisions(seller: Decider) -> list[str]:
    return [row["id"] for row in execute(seller.session, _IDS, seller.id)]


def _decide(seller: Decider, ids: Sequence[str], step: Step) -> bool:
    """Make a decision and return whether it was recorded. One that is refused or not recorded is rolled back."""
    before = len(_decisions(seller))
    with suppress(psycopg.Rollback), seller.session.transaction() as transaction:
        try:
            if step.kind == "merge":
                seller.changes("merge_products", p_product_id=ids[step.product], p_into=ids[step.other])
            else:
                asin = step.asin if step.kind == "asin" else None
                seller.decides(ids[step.product], asin, remember=step.remember)
        except psycopg.Error as error:
            assert error.sqlstate in {"PT409", "PT422"}, error  # noqa: PT017 - another error fails the test
        execute(seller.session, "reset role")
        if len(_decisions(seller)) == before:
            raise psycopg.Rollback(transaction)
    return len(_decisions(seller)) > before


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(catalogue=_catalogues, steps=st.lists(_steps, min_size=3, max_size=8))
def test_undoing_the_last_decision_restores_all_rows(
    postgres: PostgresServer, catalogue: list[Product], steps: list[Step]
) -> None:
    """After any sequence of decisions, merges and undos. Counters and lists are exact after each step."""
    with postgres.session() as session:
        seller = new_decider(session)
        ids = _fill(seller, catalogue)
        states: list[dict[str, Any]] = []
        for step in [*steps, *(Step("undo", 0, 0, "", remember=False) for _ in steps)]:
            before = seller.state()
            if step.kind != "undo":
                states += [before] * _decide(seller, ids, step)
            elif states:
                seller.undoes(_decisions(seller)[-1])
                assert seller.state() == states.pop()
            assert _errors(seller) == []
        assert (states, _decisions(seller)) == ([], [])


def _kept(deal: dict[str, Any]) -> set[tuple[str, object]]:
    """Return the values of a deal that are no gaps."""
    values = {name: deal[name] for name in ("supplier", "buy_cost", "moq", "stage", "notes")}
    favorite = {("favorite", True)} if deal["favorite"] else set()
    return {(name, value) for name, value in values.items() if value not in {None, ""}} | favorite


def _newer(deal: dict[str, Any]) -> tuple[bool, Any]:
    return deal["active"], deal["updated_at"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(catalogue=_catalogues)
def test_a_merge_loses_no_deal_and_no_value(postgres: PostgresServer, catalogue: list[Product]) -> None:
    """All deals are still there, with all values that they had. One product of the two is counted."""
    with postgres.session() as session:
        seller = new_decider(session)
        source, target, *_ = ids = _fill(seller, catalogue)
        before = execute(session, _DEALS, seller.id)
        if not _decide(seller, ids, Step("merge", 0, 1, "", remember=False)):
            return
        after = execute(session, _DEALS, seller.id)
        assert {deal["id"] for deal in before} == {deal["id"] for deal in after}
        lost = Counter(value for deal in before for value in _kept(deal))
        lost.subtract(value for deal in after for value in _kept(deal))
        assert +lost == Counter()
        _check_target(before, after, source, target)
        assert all(not deal["active"] for deal in after if deal["product_id"] == source)
        assert _errors(seller) == []


def _check_target(before: list[dict[str, Any]], after: list[dict[str, Any]], source: str, target: str) -> None:
    """Assert that the target has one deal per supplier, with the values of the newer one and its gaps filled."""
    merged = {deal["supplier"].lower(): deal for deal in after if deal["product_id"] == target}
    suppliers = {deal["supplier"].lower() for deal in before if deal["product_id"] in {source, target}}
    assert set(merged) == suppliers
    for supplier, deal in merged.items():
        both = [d for d in before if d["product_id"] in {source, target} and d["supplier"].lower() == supplier]
        newer, *older = sorted(both, key=lambda d: (_newer(d), d["product_id"] == target), reverse=True)
        gaps = older[0] if older else newer
        for name in ("supplier", "stage"):
            assert deal[name] == newer[name]
        for name in ("buy_cost", "moq"):
            assert deal[name] == (gaps[name] if newer[name] is None else newer[name])
        assert deal["notes"] == (newer["notes"] or gaps["notes"])
        assert deal["favorite"] is (newer["favorite"] or gaps["favorite"])
        assert deal["active"] is (newer["active"] or gaps["active"])
