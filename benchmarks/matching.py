"""Measure the work on products without an ASIN: a decision, the look-up result, and the next product of a queue.

Run it with `python -m benchmarks matching`. Compared variants are measured alternately, so that a slower machine
affects both. The figures of the aims are ratios.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
from stdnum import ean

from benchmarks import catalogue, importing
from benchmarks.report import table, write_results
from local.application import AppServer
from local.demo import Login, sign_up
from local.stack import Stack
from tests.postgres import PostgresServer, Session, execute, new_user
from tests.sellers import app_environment, new_seller

ROUNDS: Final = 11
SIZES: Final = (10**3, 10**6)
PRODUCTS: Final = 20_000
"""Number of products with a UPC in the measurement of the look-up result. Each gets `CANDIDATES` rows."""
CANDIDATES: Final = 5
DEPTHS: Final = {"first product": 0, "after 50 skipped products": 50}
MOST_GROWTH: Final = 1.5
"""Maximum time of the next product of the largest catalogue, as a multiple of the smallest."""

_PRODUCTS: Final = 4000
_DECISIONS: Final = 500
_REQUESTS: Final = 100
_DECISION: Final = "select public.decide_asin(%s, %s)"
_UPDATE: Final = "select public.update_product(%s, jsonb_build_object('asin', %s::text))"
_OPEN: Final = "select id from public.products where asin is null order by id limit %s"
_WAITING: Final = """
with p as (
    insert into public.products (user_id, title, multiple_asins)
    select %s, 'Product ' || n, n %% 10 = 0 from generate_series(1, %s) n
    returning id, user_id, title, asin_status
)
insert into public.deals (user_id, product_id, asin_status, title_key)
select user_id, id, asin_status, lower(title) from p
"""
_NEXT: Final = "select public.next_in_queue('needs_selection', %s, %s) as n"

Pairs = tuple[list[float], list[float]]
Changes = tuple[Callable[[str, str], object], ...]


def main() -> None:
    """Measure, print the tables and write the results."""
    with PostgresServer() as postgres:
        postgres.migrate()
        decisions = {"in the database": measure_decisions(postgres)}
        queue = measure_queue(postgres)
    with tempfile.TemporaryDirectory() as directory, Stack(Path(directory)) as stack:
        decisions["through the API"] = measure_requests(stack, Path(directory))
    measured = {
        "decisions": [_compared(name, *map(statistics.median, times)) for name, times in decisions.items()],
        "queue": [[name, *times] for name, times in queue.items()],
        "feed": measure_feed(),
    }
    print(
        f"matching\n\n{show_decisions(measured)}\n\n{show_feed(measured)}\n\n{show_queue(measured)}\n",
        flush=True,
    )
    write_results("matching", measured)


def _compared(name: str, decision: float, change: float) -> list[object]:
    return [name, decision, change, decision / change]


def show_decisions(measured: dict[str, Any]) -> str:
    """Return the table of the time of a decision, next to that of a change of the ASIN that cannot be undone."""
    return table(["decision", "ms", "change of the field ms", "ratio"], measured["decisions"])


def show_feed(measured: dict[str, Any]) -> str:
    """Return the table of the speed of a look-up result, next to that of an import of the same products."""
    return table(["look-up result", "rows/s", "as a multiple of the import"], measured["feed"])


def show_queue(measured: dict[str, Any]) -> str:
    """Return the table of the time of the next product for each size of the catalogue."""
    headers = ["next product", *(f"{size:,} products ms" for size in SIZES), "ratio"]
    return table(headers, measured["queue"]) + f"\n\nThe aim is a ratio of at most {MOST_GROWTH}."


def measure_decisions(postgres: PostgresServer) -> Pairs:
    """Return the times in ms of deciding an ASIN and of writing it as a field, in alternation."""
    with postgres.session() as session:
        user_id = new_user(session)
        catalogue.load(session, user_id, _PRODUCTS)
        execute(session, "vacuum analyze")
        catalogue.become(session, user_id)
        ids = [row["id"] for row in execute(session, _OPEN, 2 * _DECISIONS)]
        changes = (partial(execute, session, _DECISION), partial(execute, session, _UPDATE))
        return _alternating(changes, ids)


def measure_requests(stack: Stack, directory: Path) -> Pairs:
    """Return the same times over HTTP."""
    log = directory / "gunicorn.log"
    with (
        AppServer(app_environment(stack), workers=2, log=log) as server,
        new_seller(stack.supabase, server.url) as seller,
    ):
        ids = [seller.creates()["product_id"] for _ in range(2 * _REQUESTS)]
        return _alternating(
            (
                lambda product_id, asin: _sent(seller.http.post(f"/products/{product_id}/asin", json={"asin": asin})),
                lambda product_id, asin: _sent(seller.http.patch(f"/products/{product_id}", json={"asin": asin})),
            ),
            ids,
        )


def measure_feed() -> list[list[object]]:
    """Return the speed of a look-up result in rows/s for new candidates, and again for the same ones.

    Also returns the speed relative to an import of as many products as the look-up result names.
    """
    upcs = [_upc(number) for number in range(PRODUCTS)]
    products = "UPC,Title\n" + "".join(f"{upc},Product {upc}\n" for upc in upcs)
    looked_up = "UPC,ASIN,Title,Brand,Sales rank\n" + "".join(
        f'{upc},{_asin(CANDIDATES * number + place)},"Listing {number}, pack of {place}",Alderbrook,{number + 1}\n'
        for number, upc in enumerate(upcs)
        for place in range(CANDIDATES)
    )
    with importing.running() as (stack, server, _):
        token = sign_up(stack.supabase, Login("bench@example.com", "correct-horse-battery"))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=600) as client:
            imported = _rate(client, "/products/import", products)
            rates = {name: _rate(client, "/products/candidates", looked_up) for name in ("new candidates", "again")}
    return [[name, rate, rate / imported] for name, rate in rates.items()]


def measure_queue(postgres: PostgresServer) -> dict[str, list[float]]:
    """Return the time of the next product in ms for each size of the catalogue, and the ratio of last to first."""
    times: dict[str, list[list[float]]] = {name: [[] for _ in SIZES] for name in DEPTHS}
    with postgres.session() as session:
        users = [new_user(session) for _ in SIZES]
        for user_id, size in zip(users, SIZES, strict=True):
            with session.transaction():  # without triggers: what they write is given or not read by the queue
                execute(session, "set local session_replication_role = replica")
                execute(session, _WAITING, user_id, size)
        execute(session, "vacuum analyze")
        for _ in range(ROUNDS):
            for place, user_id in enumerate(users):
                catalogue.become(session, user_id)
                for name, depth in DEPTHS.items():
                    cursor = _skipped(session, depth)
                    times[name][place].append(catalogue.milliseconds(partial(execute, session, _NEXT, *cursor), 20))
    medians = {name: [statistics.median(each) for each in taken] for name, taken in times.items()}
    return {name: [*each, each[-1] / each[0]] for name, each in medians.items()}


def _skipped(session: Session, number: int) -> tuple[str | None, str | None]:
    """Return the cursor behind the first `number` products of the queue."""
    cursor: tuple[str | None, str | None] = (None, None)
    for _ in range(number):
        after = execute(session, _NEXT, *cursor)[0]["n"]["next"]
        cursor = (after["value"], after["id"])
    return cursor


def _alternating(changes: Changes, product_ids: Sequence[str]) -> Pairs:
    """Apply the two changes in turn, each to another product and with another ASIN; return the times in ms."""
    times: Pairs = ([], [])
    for number, product_id in enumerate(product_ids):
        change, asin = changes[number % 2], _asin(number)
        times[number % 2].append(catalogue.milliseconds(partial(change, product_id, asin), 1))
    return times


def _sent(answer: httpx.Response) -> None:
    answer.raise_for_status()


def _rate(client: httpx.Client, path: str, content: str) -> float:
    """Return the rows per second of an upload."""
    started = time.perf_counter()
    last = json.loads(client.post(path, content=content.encode()).text.splitlines()[-1])
    seconds = time.perf_counter() - started
    if not last.get("done"):
        raise RuntimeError(f"the upload failed: {last}")
    return (content.count("\n") - 1) / seconds


def _upc(number: int) -> str:
    digits = f"{number:011d}"
    return digits + ean.calc_check_digit(digits)


def _asin(number: int) -> str:
    return f"C{number:09d}"


if __name__ == "__main__":
    main()
