"""Measure the time of the stats as a catalogue grows, and the time that the counters add to each write.

The measurements run on a native PostgreSQL, in one session of a signed-in user, with row level security. One more runs
through the whole application. Compared variants are measured alternately, so that a slower machine affects both.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count, product
from pathlib import Path
from typing import Any, Final

from benchmarks.report import line_plot, table, write_results
from local import ROOT
from local.application import AppServer
from local.stack import Stack
from tests.postgres import PostgresServer, Session, execute, new_user, project_sql
from tests.sellers import app_environment, new_seller

SIZES: Final = (10**3, 10**4, 10**5, 10**6)
ROUNDS: Final = 11
CALLS: Final = 1000
PLOT: Final = ROOT / "docs" / "catalogue-growth.svg"
MOST_GROWTH: Final = 1.3
"""Maximum time of the stats of the largest catalogue, as a multiple of the smallest."""
LIMITS: Final = {"one row": 2.0, "1 000 rows in one statement": 1.7, "through the API": 1.15}

_COUNTERS: Final = {
    "products": ("products_lock", "products_count"),
    "deals": ("deals_lock", "deals_count_insert", "deals_count_update", "deals_count_delete"),
}
# A number that is followed by 10 minus each of its digits has a correct check digit.
_LOAD: Final = """
with p as (
    insert into public.products (user_id, title, asin, upc, multiple_asins)
    select %s, 'Product ' || n, case when n %% 5 > 1 then 'B' || lpad(n::text, 9, '0') end,
        case when n %% 3 = 0 then digits || translate(digits, '0123456789', '0987654321') end, n %% 10 = 0
    from generate_series(1, %s) n, lpad(n::text, 6, '0') digits
    returning id, user_id, title
)
insert into public.deals (user_id, product_id, supplier, buy_cost) select user_id, id, 'Acme', 9.99 from p
"""
_STATS: Final = "select public.get_asin_stats(auth.uid())"
_COUNTING: Final = """
select count(*) as all, count(*) filter (where asin_status = 'asin_found') as asin_found,
    count(*) filter (where asin_status = 'needs_selection') as needs_selection,
    count(*) filter (where asin_status = 'needs_asin') as needs_asin,
    count(*) filter (where asin_status = 'manual_entry') as manual_entry
from public.products p
where p.user_id = %s and exists (select from public.deals d where d.product_id = p.id and d.user_id = %s and d.active)
"""
_INSERT: Final = """
with p as (insert into public.products (title) select 'New' from generate_series(1, %s) returning id)
insert into public.deals (product_id) select id from p
"""

Times = dict[Any, list[float]]


def main() -> None:
    """Measure, print the tables, write the results and draw the plot."""
    with PostgresServer() as postgres:
        postgres.migrate()
        reads, writes = measure_reads(postgres), measure_writes(postgres)
    with tempfile.TemporaryDirectory() as directory, Stack(Path(directory)) as stack:
        writes["through the API"] = measure_api(stack, Path(directory))
    medians = {(kind, size): statistics.median(reads[kind, size]) for kind in ("stats", "counting") for size in SIZES}
    measured = {
        "reads": [[size, medians["stats", size], medians["counting", size]] for size in SIZES],
        "last_to_first": _ratio(reads["stats", SIZES[-1]], reads["stats", SIZES[0]]),
        "writes": [[name, *map(statistics.median, times), _ratio(*times)] for name, times in writes.items()],
    }
    print(f"catalogue\n\n{show_reads(measured)}\n\n{show_writes(measured)}\n", flush=True)
    write_results("catalogue", measured)
    names = {"stats": "get_asin_stats", "counting": "a query that counts the rows"}
    points = {label: [(size, medians[kind, size]) for size in SIZES] for kind, label in names.items()}
    line_plot(PLOT, "The stats as a catalogue grows", "products of the user", "milliseconds", points, log_x=True)


def show_reads(measured: dict[str, Any]) -> str:
    """Return the table of read times per catalogue size, and the ratio of the largest size to the smallest."""
    rows = [(f"{size:,}", stats, counting, counting / stats) for size, stats, counting in measured["reads"]]
    return (
        table(["products", "get_asin_stats ms", "counting query ms", "ratio"], rows)
        + f"\n\nThe stats of the largest catalogue take {measured['last_to_first']:.2f} times as long as those of the"
        f" smallest; the aim is at most {MOST_GROWTH}."
    )


def show_writes(measured: dict[str, Any]) -> str:
    """Return the table of write times with and without the counters."""
    rows = [[*each, LIMITS[each[0]]] for each in measured["writes"]]
    return table(["write", "with counters ms", "without ms", "ratio", "aim"], rows)


def measure_reads(postgres: PostgresServer) -> Times:
    """Return the times of the stats and of the counting query in ms, per catalogue size and round."""
    with postgres.session() as administrator:
        users = {size: new_user(administrator) for size in SIZES}
        for size, user_id in users.items():
            load(administrator, user_id, size)
        execute(administrator, "vacuum analyze")
    times: Times = {}
    with postgres.session() as session:
        for round_number in range(ROUNDS + 1):
            for size, user_id in users.items():
                become(session, user_id)
                took = {
                    ("stats", size): milliseconds(lambda: execute(session, _STATS), 100),
                    ("counting", size): milliseconds(
                        partial(execute, session, _COUNTING, user_id, user_id), max(1, 10**4 // size)
                    ),
                }
                if round_number:  # the first round only warms the caches
                    for key, each in took.items():
                        times.setdefault(key, []).append(each)
    return times


def measure_writes(postgres: PostgresServer) -> dict[str, tuple[list[float], list[float]]]:
    """Return the times of writes in ms, with and without the counters; the calls alternate between two databases."""
    rows = {"one row": (1, CALLS), "1 000 rows in one statement": (1000, 2 * ROUNDS)}
    times = {}
    with (
        _database(postgres, "counting", counting=True) as counting,
        _database(postgres, "plain", counting=False) as plain,
    ):
        for name, (number, calls) in rows.items():
            writes = [partial(execute, session, _INSERT, number) for session in (counting, plain)]
            pairs = [[milliseconds(write, 1) for write in writes] for _ in range(calls)]
            ours, theirs = zip(*pairs[calls // 10 :], strict=True)  # the first calls create query plans and warm caches
            times[name] = (list(ours), list(theirs))
    return times


@contextmanager
def _database(postgres: PostgresServer, name: str, *, counting: bool) -> Iterator[Session]:
    """Create a database with a seller who has 1 000 products, and open a session as that seller."""
    with postgres.session() as administrator:
        execute(administrator, f"create database {name} template template0")
    with postgres.session(database=name) as session:
        execute(session, project_sql())
        postgres.migrate(database=name)
        user_id = new_user(session)
        load(session, user_id, SIZES[0])
        execute(session, "vacuum analyze")
        with _counters(lambda text: execute(session, text), on=counting):
            become(session, user_id)
            yield session
            execute(session, "reset role")


def measure_api(stack: Stack, directory: Path) -> tuple[list[float], list[float]]:
    """Return the times of creating a product over HTTP in ms, with and without the counters, one per round."""
    times: tuple[list[float], list[float]] = ([], [])
    numbers, log = count(1), directory / "gunicorn.log"
    with (
        AppServer(app_environment(stack), workers=2, log=log) as server,
        new_seller(stack.supabase, server.url) as seller,
    ):

        def create() -> None:
            seller.creates(asin=f"B{next(numbers):09}", supplier="Acme")

        for _, counting in product(range(ROUNDS), (True, False)):
            with _counters(stack.supabase.sql, on=counting):
                milliseconds(create, 3)
                times[not counting].append(milliseconds(create, 20))
    return times


@contextmanager
def _counters(run: Callable[[str], object], *, on: bool) -> Iterator[None]:
    """Disable the counters inside the block, unless `on` is true."""

    def switch(verb: str) -> None:
        for name, triggers in _COUNTERS.items():
            for trigger in triggers:
                run(f"alter table public.{name} {verb} trigger {trigger}")

    if not on:
        switch("disable")
    yield
    if not on:
        switch("enable")


def load(administrator: Session, user_id: str, size: int) -> None:
    """Insert a catalogue with the counters disabled, which is faster, then recount once."""
    with _counters(lambda text: execute(administrator, text), on=False):
        execute(administrator, _LOAD, user_id, size)
    with administrator.transaction():
        execute(administrator, "select set_config('request.jwt.claim.sub', %s, true)", user_id)
        execute(administrator, "select public.recount_asin_stats(%s)", user_id)


def become(session: Session, user_id: str) -> None:
    """Make the session that of this signed-in user."""
    claim = "select set_config('request.jwt.claim.sub', %s, false), set_config('role', 'authenticated', false)"
    execute(session, claim, user_id)


def milliseconds(work: Callable[[], object], calls: int) -> float:
    """Return the median time of `calls` calls."""
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _ratio(ones: list[float], others: list[float]) -> float:
    """Return the median of the ratios per round. Both times of a round were measured at almost the same moment."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


if __name__ == "__main__":
    main()
