"""The expected contents of lists, queried from the tables without the copies and indexes that list_deals uses."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from hypothesis import strategies as st

from tests.counters.oracle import Run, stats
from tests.counters.statements import SEARCHES, STAGES

__all__ = ["View", "list_errors", "views"]

_STATUSES: Final = ("asin_found", "needs_selection", "needs_asin", "manual_entry")

# All pages of each view, two deals per page, and the same deals queried from the tables.
_LISTED: Final = """
with recursive claimed as materialized (select set_config('request.jwt.claim.sub', ':user', true)),
views as (
    select * from jsonb_to_recordset(':views') as v (
        number int, asin_status text, stage text, favorite boolean, search text, sort text)
),
walk as (
    select v.number, 1 as place, public.list_deals(v.asin_status, v.stage, v.favorite, v.search, v.sort, 2) as page
    from claimed, views v
    union all
    select w.number, w.place + 1, public.list_deals(v.asin_status, v.stage, v.favorite, v.search, v.sort, 2,
        w.page -> 'next' ->> 'value', (w.page -> 'next' ->> 'id')::uuid)
    from walk w join views v using (number)
    where jsonb_typeof(w.page -> 'next') = 'object'
),
listed as (
    select w.number, array_agg(i.item ->> 'id' order by w.place, i.place) as deals,
        count(distinct i.item ->> 'product_id') as products
    from walk w, jsonb_array_elements(w.page -> 'items') with ordinality as i (item, place)
    group by w.number
),
wanted as (
    select v.number, array_agg(d.id::text order by
            case v.sort when 'title' then lower(p.title) end, case v.sort when 'title' then d.id end,
            case v.sort when '-created_at' then d.created_at end desc, d.id desc) as deals
    from views v, public.deals d join public.products p on p.id = d.product_id
    where d.user_id = ':user' and d.active and p.asin_status = coalesce(v.asin_status, p.asin_status)
        and d.stage = coalesce(v.stage, d.stage) and d.favorite = coalesce(v.favorite, d.favorite)
        and (v.search is null or strpos(lower(p.title), v.search) > 0 or strpos(lower(d.supplier), v.search) > 0)
    group by v.number
)
select v.*, coalesce(l.products, 0)::int as products, coalesce(l.deals, '{}') as listed,
    coalesce(w.deals, '{}') as wanted
from views v left join listed l using (number) left join wanted w using (number)
order by v.number
"""


@dataclass(frozen=True, slots=True)
class View:
    """Filters, search and sort order of a list; None is no filter."""

    asin_status: str | None = None
    stage: str | None = None
    favorite: bool | None = None
    search: str | None = None
    sort: str = "title"


_BREAKDOWN_VIEWS: Final = tuple(View(asin_status=status) for status in (None, *_STATUSES))


def views() -> st.SearchStrategy[View]:
    """Generate any combination of filters."""
    return st.builds(
        View,
        st.sampled_from([None, *_STATUSES]),
        st.sampled_from([None, *STAGES]),
        st.sampled_from([None, False, True]),
        st.sampled_from([None, *SEARCHES]),
        st.sampled_from(["title", "-created_at"]),
    )


def list_errors(run: Run, user_id: str, more: Sequence[View] = ()) -> list[Any]:
    """Return the views whose list differs from the tables, and the breakdown if it differs from the lists.

    Checks the list of each status, sorted by title, and the views `more`.
    """
    requested = [{"number": number, **asdict(view)} for number, view in enumerate([*_BREAKDOWN_VIEWS, *more])]
    listed = run(_LISTED.replace(":user", user_id).replace(":views", json.dumps(requested)))
    breakdown = stats(run, user_id)
    shown = {view["asin_status"] or "all": view["products"] for view in listed[: len(_BREAKDOWN_VIEWS)]}
    return [view for view in listed if view["listed"] != view["wanted"]] + [shown] * (shown != breakdown)
