"""Paging while the list changes under it: no deal twice, and none skipped that nobody touched."""

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
    """Something that happens between two pages to the deal at `place` (modulo how many there are)."""

    kind: str
    place: int
    title: str
    supplier: str
    cost: str | None


_CHANGES: Final = st.builds(
    Change,
    st.sampled_from(["create", "put away", "remove", "retitle", "resupply", "reprice", "mark"]),
    st.integers(0, 30),
    _TITLES,
    _SUPPLIERS,
    _COSTS,
)


@dataclass(slots=True)
class Catalogue:
    """A user's deals, which of them were touched since the walk began, and how to touch them."""

    session: Session
    deals: list[dict[str, Any]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    def create(self, title: str, supplier: str, cost: str | None) -> None:
        """Add a deal of a new product, whose brand tells it from the others of this title."""
        product = {"title": title, "brand": f"{next(_numbers)}"}
        deal = {"supplier": supplier, "buy_cost": cost}
        answer = execute(self.session, "select create_product(%s, %s) as a", Jsonb(product), Jsonb(deal))
        self.deals.append(answer[0]["a"]["deal"])

    def apply(self, change: Change) -> None:
        """Do it as the API would."""
        if change.kind == "create":
            self.create(change.title, change.supplier, change.cost)
            self.touched.add(self.deals[-1]["id"])
            return
        if not self.deals:
            return
        deal = self.deals[change.place % len(self.deals)]
        self.touched.add(deal["id"])
        if change.kind in {"put away", "remove"}:
            self.deals.remove(deal)
            execute(self.session, "select delete_deal(%s, %s)", deal["id"], change.kind == "remove")
        elif change.kind == "retitle":
            execute(self.session, "select update_product(%s, %s)", deal["product_id"], Jsonb({"title": change.title}))
        else:
            changes = {
                "resupply": {"supplier": change.supplier},
                "reprice": {"buy_cost": change.cost},
                "mark": {"favorite": True},
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
def test_what_nobody_touches_is_met_once_and_nothing_twice(  # noqa: PLR0913, PLR0917 - what a walk consists of
    postgres: PostgresServer,
    rows: list[tuple[str, str, str | None]],
    sort: str,
    limit: int,
    filters: dict[str, Any],
    changes: list[list[Change]],
) -> None:
    """Whatever is created, deleted or moved between the pages; a moved deal may be met at both of its places."""
    with postgres.session() as session, acting_as(session, new_user(session)):
        catalogue = Catalogue(session)
        for row in rows:
            catalogue.create(*row)
        wanted = [item["id"] for item in catalogue.page({"sort": sort, "limit": 1000, **filters})["items"]]
        arguments: dict[str, Any] = {"sort": sort, "limit": limit, **filters}
        met: list[dict[str, Any]] = []
        pending = iter(changes)
        while True:
            page = catalogue.page(arguments)
            met += page["items"]
            if page["next"] is None:
                break
            after = {"after_value": page["next"]["value"], "after_id": page["next"]["id"]}
            assert not after.items() <= arguments.items()  # else it would never end
            arguments |= after
            for change in next(pending, []):
                catalogue.apply(change)
    untouched = [item["id"] for item in met if item["id"] not in catalogue.touched]
    assert untouched == [deal_id for deal_id in wanted if deal_id not in catalogue.touched]
    assert Counter(_key(item, sort) for item in met).most_common(1)[0][1] == 1 if met else not untouched
