"""Load a million deals in about a minute: 80 % belong to one seller, the rest to 2 000 other sellers."""

from dataclasses import dataclass
from typing import Final

from tests.postgres import PostgresServer, Session, execute

PRODUCTS: Final = 100_000
DEALS: Final = 10 * PRODUCTS
LARGE_SELLER: Final = "00000000-0000-4000-8000-000000000000"
"""The seller who owns 80 % of all deals."""
SMALL_SELLER: Final = "00000000-0000-4000-8000-000000000007"
"""One of the other sellers, with ten products and a hundred deals. Titles of both sellers have the same words."""

_USERS = """
insert into auth.users (id, email)
select format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid, n || '@a.example'
from generate_series(0, 2000) n
"""
# One product in 50 has no ASIN. Of the large seller's products, three in the middle of the catalogue have several
# ASINs, and the titles of four contain "Zanzibar". A number that is followed by
# 10 minus each of its digits has a correct check digit.
_PRODUCTS = """
insert into products (id, user_id, asin, upc, title, brand, multiple_asins)
select format('00000000-0000-4000-9000-%%s', lpad(n::text, 12, '0'))::uuid,
       format('00000000-0000-4000-8000-%%s', lpad(owner::text, 12, '0'))::uuid,
       case when n %% 50 > 0 then 'B' || lpad(n::text, 9, '0') end,
       case when n %% 500 > 0 then digits || translate(digits, '0123456789', '0987654321') end,
       (array['Walnut', 'Desk', 'Lamp', 'Garden', 'Bottle', 'Insulated', 'Premium'])[1 + n %% 7] || ' '
           || (array['Steel', 'Black', 'Large', 'Set of 4', 'Pack', 'Mini', 'Deluxe', 'Eco', 'Retro'])[1 + n %% 9]
           || case when n %% 20000 = 77 then ' Zanzibar 95%%' else ' Holder' end || ' ' || n,
       'Brand ' || n %% 50, n %% 25000 = 500
from generate_series(1, %s) n, cast(case when n <= 80000 then 0 else 1 + n %% 2000 end as integer) owner,
    lpad(n::text, 6, '0') digits
"""
# Each product has ten suppliers. One product in 5000 is "rejected", one deal in 10 000 is a favorite. Ids are
# ascending, which makes loading fast.
_DEALS = """
insert into deals (id, user_id, product_id, supplier, buy_cost, stage, favorite, created_at, asin_status, title_key,
                   active, deleted_at)
select format('00000000-0000-4000-a000-%s', lpad((10 * n + k)::text, 12, '0'))::uuid,
       p.user_id, p.id, format('Supplier %s %s', k, n % 97), case when k > 1 then n * 7919 % 500000 / 100.0 end,
       case when n % 5000 = 77 then 'rejected'
            else (array['new', 'researching', 'contacted', 'ordered'])[1 + k % 4] end,
       n % 1000 = 77 and k = 5, '2026-01-01Z'::timestamptz + k * interval '1 hour' + n * interval '1 second',
       p.asin_status, lower(p.title), n % 50 <> 11, case when n % 50 = 11 then now() end
from products p, right(p.id::text, 12) as digits, cast(digits as integer) as n, generate_series(0, 9) k
order by n, k
"""
_INDEXES = """
select format('%I.%I', schemaname, indexname) as name, indexdef from pg_indexes
where schemaname in ('public', 'searching') and indexname !~ '_pkey$' and indexname <> 'products_id_user_key'
"""


# Building an index stores the number of rows of its table. A table that grew row by row without autovacuum has no such
# statistics, so remove them again.
_CLEAR_STATISTICS = """
set local allow_system_table_mods = on;
update pg_class set reltuples = -1, relpages = 0
where oid in ('public.products'::regclass, 'public.deals'::regclass, 'searching.suppliers'::regclass)
"""


@dataclass(frozen=True, slots=True)
class Position:
    """A cursor near the middle of the large seller's list in this order."""

    value: str
    id: str = "00000000-0000-4000-a000-000000400000"


MIDDLE: Final = {
    "created_at": Position("2026-01-01 15:00:00Z"),
    "title": Position("lamp deluxe holder 5"),
    "buy_cost": Position("2500.00"),
    "supplier": Position("supplier 5 5"),
}


def load(server: PostgresServer) -> None:
    """Fill the migrated, empty `server`, then build the indexes. The planner has no statistics of the tables."""
    with server.session() as superuser:
        for table in ("public.products", "public.deals", "searching.suppliers"):
            execute(superuser, f"alter table {table} set (autovacuum_enabled = false)")
        indexes = execute(superuser, _INDEXES)
        execute(superuser, f"drop index {', '.join(index['name'] for index in indexes)}")
        with superuser.transaction():
            _fill(superuser)
        for index in indexes:
            execute(superuser, index["indexdef"])
        for index_name in ("public.products_pieces_idx", "searching.suppliers_pieces_idx"):
            execute(superuser, f"alter index {index_name} alter column 1 set statistics 0")
        with superuser.transaction():
            execute(superuser, _CLEAR_STATISTICS)


def _fill(superuser: Session) -> None:
    """Insert the rows as the triggers would, with the triggers disabled."""
    execute(superuser, "set local session_replication_role = replica")
    execute(superuser, _USERS)
    execute(superuser, _PRODUCTS, PRODUCTS)
    execute(superuser, _DEALS)
    execute(superuser, "insert into searching.suppliers select distinct user_id, lower(supplier) from deals")
