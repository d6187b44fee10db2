"""Paging while the list changes: no deal is returned twice, and no unchanged deal is skipped."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.postgres import PostgresServer, Session, acting_as, execute, new_user

_numbers: Final = itertools.count(1)
_SORTS: Final = [prefix + name for name in ("created_at", "title", "buy_cost", "supplier") for prefix in ("", "-")]
_TITLES: Final = st.sampled_from(["Lamp", "lamp", "lamb", "Bulb", "Zebra lamp", "apple"])
_SUPPLIERS: Final = st.sampled_from(["", "Acme", "acme ltd", "Bolt", "Lambda"])
_COSTS: Final = st.sampled_from([None, "0", "7.50", "7.50", "1000"])


@dataclass(frozen=True, slots=True)
class Change:
    """A change between two pages, made to the deal at index `index` (modulo the number of deals)."""

    kind: str
    index: int
    title: str
    supplier: str
    cost: str | None


_CHANGES: Final = st.builds(
    Change,
    st.sampled_from(
        ["create", "soft delete", "hard delete", "change title", "change supplier", "change cost", "favorite"]
    ),
    st.integers(0, 30),
    _TITLES,
    _SUPPLIERS,
    _COSTS,
)


@dataclass(slots=True)
class Catalogue:
    """A user's deals, the ids of those that were changed since paging began, and the means to change them."""

    session: Session
    deals: list[dict[str, Any]] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)

    def create(self, title: str, supplier: str, cost: str | None) -> None:
        """Add a deal of a new product. Its unique brand separates it from other products with this title."""
        product = {"title": title, "brand": f"{next(_numbers)}"}
        deal = {"supplier": supplier, "buy_cost": cost}
        answer = execute(self.session, "select create_product(%s, %s) as a", Jsonb(product), Jsonb(deal))
        self.deals.append(answer[0]["a"]["answer"]["deal"])

    def apply(self, change: Change) -> None:
        """Apply the change with the functions that the API calls."""
        if change.kind == "create":
            self.create(change.title, change.supplier, change.cost)
            self.changed.add(self.deals[-1]["id"])
            return
        if not self.deals:
            return
        deal = self.deals[change.index % len(self.deals)]
        self.changed.add(deal["id"])
        if change.kind in {"soft delete", "hard delete"}:
            self.deals.remove(deal)
            execute(self.session, "select delete_deal(%s, %s)", deal["id"], change.kind == "hard delete")
        elif change.kind == "change title":
            execute(self.session, "select update_product(%s, %s)", deal["product_id"], Jsonb({"title": change.title}))
        else:
            changes = {
                "change supplier": {"supplier": change.supplier},
                "change cost": {"buy_cost": change.cost},
                "favorite": {"favorite": True},
            }
            execute(self.session, "select update_deal(%s, %s)", deal["id"], Jsonb(changes[change.kind]))

    def page(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return one page of the list."""
        named = ", ".join(f"p_{name} => %s" for name in arguments)
        page: dict[str, Any] = execute(self.session, f"select list_deals({named}) as p", *arguments.values())[0]["p"]
        return page


def _key(item: dict[str, Any], sort: str) -> tuple[str, str]:
    name = sort.removeprefix("-")
    return item["id"], str(item["product"]["title"] if name == "title" else item[name]).lower()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(_TITLES, _SUPPLIERS, _COSTS), min_size=1, max_size=14),
    st.sampled_from(_SORTS),
    st.integers(1, 4),
    st.sampled_from([{}, {"search": "la"}, {"search": "lamp"}, {"favorite": False}, {"asin_status": "manual_entry"}]),
    st.lists(st.lists(_CHANGES, max_size=3), max_size=8),
)
def test_unchanged_deals_are_returned_exactly_once(  # noqa: PLR0913, PLR0917 - the parameters that hypothesis generates
    postgres: PostgresServer,
    rows: list[tuple[str, str, str | None]],
    sort: str,
    limit: int,
    filters: dict[str, Any],
    changes: list[list[Change]],
) -> None:
    """Between pages, deals are created, deleted and moved. A moved deal may appear at its old and new position."""
    with postgres.session() as session, acting_as(session, new_user(session)):
        catalogue = Catalogue(session)
        for row in rows:
            catalogue.create(*row)
        expected = [item["id"] for item in catalogue.page({"sort": sort, "limit": 1000, **filters})["items"]]
        arguments: dict[str, Any] = {"sort": sort, "limit": limit, **filters}
        returned: list[dict[str, Any]] = []
        pending = iter(changes)
        while True:
            page = catalogue.page(arguments)
            returned += page["items"]
            if page["next"] is None:
                break
            after = {"after_value": page["next"]["value"], "after_id": page["next"]["id"]}
            assert not after.items() <= arguments.items()  # otherwise paging would never end
            arguments |= after
            for change in next(pending, []):
                catalogue.apply(change)
    untouched = [item["id"] for item in returned if item["id"] not in catalogue.changed]
    assert untouched == [deal_id for deal_id in expected if deal_id not in catalogue.changed]
    assert Counter(_key(item, sort) for item in returned).most_common(1)[0][1] == 1 if returned else not untouched
