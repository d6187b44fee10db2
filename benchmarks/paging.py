"""Measure list pages among a million deals: later pages relative to the first one, and searches relative to no search.

Run it with `python -m benchmarks paging`. It uses one session on a native PostgreSQL with fresh statistics (ANALYZE).
The rounds are interleaved, so that a slower machine affects all variants. The figures are ratios.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.report import line_plot, table, write_results
from local import ROOT
from tests.catalogue import LARGE_SELLER, MIDDLE, load
from tests.postgres import PostgresServer, Session, acting_as, execute

ROUNDS: Final = 40
PAGE: Final = 50
DEPTHS: Final = (1, 10, 100, 1000)
LIMIT: Final = 1.5
"""Maximum time of the 1 000th page, as a multiple of the first page."""
SORTS: Final = [prefix + name for name in MIDDLE for prefix in ("", "-")]
SEARCHES: Final = {
    "rare: 4 products": "zanzibar",
    "one product": "b000054321",
    "no match": "qqqq",
    "two characters, rare": "5%",
    "two characters, frequent": "ol",
    "frequent: 9 of 10 products": "holder",
    "supplier name: 10 000 deals": "supplier 7 5",
}
PLOT: Final = ROOT / "docs" / "paging.svg"

Arguments = dict[str, object]


def page(session: Session, arguments: Mapping[str, object]) -> dict[str, Any]:
    """Return one page of the list of the session's user."""
    named = ", ".join(f"p_{name} => %s" for name in arguments)
    shown: dict[str, Any] = execute(session, f"select public.list_deals({named}) as p", *arguments.values())[0]["p"]
    return shown


def page_arguments(session: Session, sort: str) -> dict[int, Arguments]:
    """Page through the list and return the arguments that select each page of `DEPTHS`."""
    found: dict[int, Arguments] = {1: {"sort": sort, "limit": PAGE}}
    number, after = 1, dict[str, object]()
    while number < DEPTHS[-1]:
        # One call returns at most 1000 deals, which are 20 pages.
        stride = min(20, min(depth for depth in DEPTHS if depth > number) - number)
        end = page(session, {"sort": sort, "limit": stride * PAGE, **after})["next"]
        after = {"after_value": end["value"], "after_id": end["id"]}
        number += stride
        if number in DEPTHS:
            found[number] = {"sort": sort, "limit": PAGE, **after}
    return found


def fastest(session: Session, calls: Mapping[Any, Arguments]) -> dict[Any, float]:
    """Return the shortest time of each call in seconds. A first round is only a warm-up."""
    times: dict[Any, list[float]] = {name: [] for name in calls}
    for counted in (False, *[True] * ROUNDS):
        for name, arguments in calls.items():
            started = time.perf_counter()
            page(session, arguments)
            if counted:
                times[name].append(time.perf_counter() - started)
    return {name: min(taken) for name, taken in times.items()}


def measure() -> dict[str, dict[str, Any]]:
    """Load a million deals; return the time of each depth and of each search, divided by that of the first page."""
    with PostgresServer() as server:
        server.migrate()
        load(server)
        with server.session() as session:
            execute(session, "vacuum analyze products, deals, searching.suppliers")
            with acting_as(session, LARGE_SELLER):
                paging = {sort: fastest(session, page_arguments(session, sort)) for sort in SORTS}
                calls: dict[Any, Arguments] = {name: {"search": text} for name, text in SEARCHES.items()}
                searching = fastest(session, {"": {}} | calls)
    return {
        "paging": {sort: {depth: took / costs[1] for depth, took in costs.items()} for sort, costs in paging.items()},
        "searching": {name: took / searching[""] for name, took in searching.items() if name},
    }


def main() -> None:
    """Measure, print the tables, write the results and draw the plot."""
    ratios = measure()
    print(f"paging\n\n{show_pages(ratios)}\n\n{show_searches(ratios)}\n", flush=True)
    write_results("paging", ratios)
    line_plot(
        PLOT,
        "A page among 1 000 000 deals",
        "number of the page, 50 deals each",
        "time, as a multiple of the first page",
        {sort: list(costs.items()) for sort, costs in ratios["paging"].items()},
        log_x=True,
    )


def show_pages(ratios: dict[str, Any]) -> str:
    """Return the table of the times of later pages, as multiples of the first page in the same order."""
    rows = [[sort, *costs.values()] for sort, costs in ratios["paging"].items()]
    worst = max(max(row[1:]) for row in rows)
    return (
        table(["order", *(f"page {depth:,}" for depth in DEPTHS)], rows)
        + f"\n\nThe slowest page takes {worst:.2f} times as long as the first page; the aim is at most {LIMIT}."
    )


def show_searches(ratios: dict[str, Any]) -> str:
    """Return the table of search times, as multiples of the first page without a search."""
    rows = [list(item) for item in ratios["searching"].items()]
    return table(["search", "times a page without a search"], rows)


if __name__ == "__main__":
    main()
