"""The expected counters and copies, computed from the tables alone."""

from collections.abc import Callable, Sequence
from typing import Any, Final

__all__ = ["COUNTED", "Run", "differences", "recount", "stats"]

COUNTED: Final = """
select p.user_id, p.id as product_id, p.asin_status
from public.products p
where exists (select from public.deals d where d.product_id = p.id and d.active)
"""
"""Every product with an active deal."""

_DIFFERENCES: Final = f"""
with chosen as (select unnest(':users'::uuid[]) as user_id),
actual as ({COUNTED} and p.user_id in (select user_id from chosen)),
stored as (select * from counting.products where user_id in (select user_id from chosen)),
numbers as (
    select user_id, 'asin_found' as asin_status, asin_found as n from counting.asin_stats
    union all select user_id, 'needs_selection', needs_selection from counting.asin_stats
    union all select user_id, 'needs_asin', needs_asin from counting.asin_stats
    union all select user_id, 'manual_entry', manual_entry from counting.asin_stats
)
select 'counter' as error, c.user_id::text, s.asin_status, coalesce(n.n, 0)::int as found,
    count(a.product_id)::int as wanted
from chosen c
cross join (values ('asin_found'), ('needs_selection'), ('needs_asin'), ('manual_entry')) as s (asin_status)
left join numbers n on n.user_id = c.user_id and n.asin_status = s.asin_status
left join actual a on a.user_id = c.user_id and a.asin_status = s.asin_status
group by c.user_id, s.asin_status, n.n
having coalesce(n.n, 0) <> count(a.product_id)
union all
select 'not stored', user_id::text, asin_status, 0, 1 from (table actual except table stored) t
union all
select 'wrongly stored', user_id::text, asin_status, 1, 0 from (table stored except table actual) t
union all
select 'copies', d.user_id::text, p.asin_status, count(*)::int, 0
from public.deals d join public.products p on p.id = d.product_id
where d.user_id in (select user_id from chosen)
    and (d.asin_status, d.title_key, d.slice)
        is distinct from (p.asin_status, lower(p.title), private.deal_slice(p.asin_status, d.stage, d.favorite))
group by d.user_id, p.asin_status
union all
select 'open candidates', p.user_id::text, p.asin_status, p.open_candidates::int, n.open
from public.products p, lateral (
    select count(*) filter (where not c.dismissed)::int as open, count(*)::int as all
    from public.candidates c where c.product_id = p.id
) n
where p.user_id in (select user_id from chosen) and (p.open_candidates <> n.open or n.all > 50)
union all
select 'status', p.user_id::text, p.asin_status, 1, 0
from public.products p
where p.user_id in (select user_id from chosen) and p.asin_status <> case
    when p.asin ~ '^[A-Z0-9]{{10}}$' then 'asin_found'
    when p.multiple_asins or (
        select count(*) >= 2 from public.candidates c where c.product_id = p.id and not c.dismissed
    ) then 'needs_selection'
    when p.upc is not null then 'needs_asin'
    else 'manual_entry' end
"""  # noqa: S608 - our own text

Run = Callable[[str], list[dict[str, Any]]]
"""Runs SQL as the superuser and returns rows."""


def differences(run: Run, user_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row for each difference between the stored counters, products, copies or statuses and the tables."""
    return run(_DIFFERENCES.replace(":users", f"{{{','.join(user_ids)}}}"))


def stats(run: Run, user_id: str) -> dict[str, int]:
    """Return the breakdown that the user gets."""
    numbers: dict[str, int] = _called(run, "get_asin_stats", user_id)
    return numbers


def recount(run: Run, user_id: str) -> dict[str, Any]:
    """Call recount_asin_stats as the user and return its result."""
    found: dict[str, Any] = _called(run, "recount_asin_stats", user_id)
    return found


def _called(run: Run, function: str, user_id: str) -> Any:  # noqa: ANN401 - any JSON
    call = f"""
    with claimed as materialized (select set_config('request.jwt.claim.sub', '{user_id}', true))
    select public.{function}('{user_id}') as result from claimed
    """  # noqa: S608 - our own name and an id
    return run(call)[0]["result"]
