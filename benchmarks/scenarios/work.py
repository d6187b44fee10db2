"""A seller at work: changes one after another with a read after each, and reads during an import.

The first part runs against every contender. One client adds a product, edits its deal, moves it to another stage, and
deletes it, and reads the breakdown after each of these changes. The expected number of products is known, so every
other number counts as wrong.

The second part runs against our application only, because no other contender imports files. One session imports a
file while another session of the same seller reads.
"""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import Any, Final

import httpx

from benchmarks.environment import BREAKDOWN, BenchmarkEnvironment, User
from benchmarks.importing import csv_file
from benchmarks.lineup import CACHED, OURS, UNCACHED
from benchmarks.load import Answer, LoadClient, change, delete_deal, edit_deal, percentile, read
from benchmarks.report import table
from benchmarks.serving import ContenderServer
from local.server import LOOPBACK

__all__ = ["measure", "show"]

_CONTENDERS: Final = (*CACHED, UNCACHED)
_PAUSE: Final = 0.02
"""Seconds between two reads of the second session."""


def measure(environment: BenchmarkEnvironment, *, products: int, rows: int) -> dict[str, Any]:
    """Let a seller add, edit, move and delete `products` products. Then let another seller import `rows` rows."""
    figures = {}
    for contender in _CONTENDERS:
        with ExitStack() as running:
            server = running.enter_context(environment.server(contender))
            figures[contender.name] = _of_changes(environment, server, products)
            if contender is OURS:
                during_import = _of_import(environment, server, rows)
    return {"contenders": figures, "import": during_import}


def _of_changes(environment: BenchmarkEnvironment, server: ContenderServer, products: int) -> dict[str, float]:
    (user,) = environment.users(1)
    before = environment.database.calls(server.contender.name)
    reads, changes, wrong = asyncio.run(_work(LoadClient(server.port), user, products))
    calls = environment.database.calls(server.contender.name) - before
    return {
        **_figures(reads, calls=calls),
        "change_p50_ms": percentile((answer.seconds for answer in changes), 50) * 1e3,
        "wrong": wrong,
        "failed": sum(answer.status not in {200, 201, 204} for answer in (*reads, *changes)),
    }


async def _work(client: LoadClient, user: User, products: int) -> tuple[list[Answer], list[Answer], int]:
    """Return the reads, the changes, and the number of reads with a wrong number of products."""
    reads, changes, wrong = [await client.send(read(user))], list[Answer](), 0
    for number in range(products):
        made = await client.send(change(user))
        deal = json.loads(made.body)["id"]
        steps = [edit_deal(user, deal, moq=number + 1), edit_deal(user, deal, stage="ordered"), delete_deal(user, deal)]
        for expected, step in zip([1, 1, 1, 0], [None, *steps], strict=True):
            changes.append(made if step is None else await client.send(step))
            reads.append(await client.send(read(user)))
            wrong += reads[-1].status == 200 and reads[-1].total() != BREAKDOWN["all"] + expected
    client.close()
    return reads, changes, wrong


def _of_import(environment: BenchmarkEnvironment, server: ContenderServer, rows: int) -> dict[str, float]:
    (user,) = environment.users(1)
    before = environment.database.calls(server.contender.name)
    reads, seconds = asyncio.run(_read_during_import(server.port, user, rows))
    calls = environment.database.calls(server.contender.name) - before
    totals = [answer.total() for answer in reads if answer.status == 200]
    return {
        **_figures(reads, calls=calls),
        "rows": rows,
        "seconds": seconds,
        "wrong": sum(after < earlier for earlier, after in pairwise(totals)),
        "failed": len(reads) - len(totals),
    }


async def _read_during_import(port: int, user: User, rows: int) -> tuple[list[Answer], float]:
    """Read until the import has ended. Return the reads and the duration of the import in seconds."""
    client, pauses = LoadClient(port), random.Random(1)  # noqa: S311 - no secret
    reads = [await client.send(read(user))]
    started = time.monotonic()
    importing = asyncio.create_task(asyncio.to_thread(_import, port, user, rows))
    while not importing.done():
        await asyncio.sleep(pauses.uniform(0, 2 * _PAUSE))
        reads.append(await client.send(read(user)))
    await importing
    client.close()
    return reads, time.monotonic() - started


def _import(port: int, user: User, rows: int) -> None:
    headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "text/csv"}
    url = f"http://{LOOPBACK}:{port}/products/import"
    last = json.loads(httpx.post(url, content=csv_file(rows), headers=headers, timeout=600).text.splitlines()[-1])
    if (last.get("done"), last["rows"], last["rejected"]) != (True, rows, 0):
        raise RuntimeError(f"the import failed: {last}")


def _figures(reads: Sequence[Answer], *, calls: int) -> dict[str, float]:
    times = [answer.seconds for answer in reads]
    return {
        "reads": len(reads),
        "hits": 1 - calls / len(reads),
        "read_p50_ms": percentile(times, 50) * 1e3,
        "read_p99_ms": percentile(times, 99) * 1e3,
    }


def show(data: dict[str, Any]) -> str:
    """Return the table of the changes, and a sentence about the import."""
    rows = []
    for contender in _CONTENDERS:
        one = data["contenders"][contender.name]
        times = (one[name] for name in ("read_p50_ms", "read_p99_ms", "change_p50_ms"))
        rows.append([contender.what, f"{one['hits']:.1%}", *times, int(one["wrong"]), int(one["failed"])])
    headers = ["", "reads that are hits", "read p50, ms", "p99, ms", "change p50, ms", "wrong reads", "failed"]
    one = data["import"]
    return (
        table(headers, rows)
        + f"\n\nDuring an import of {one['rows']:,} rows in {one['seconds']:.1f} s, another session of the same seller"
        + f" made {one['reads']:,} reads: {one['hits']:.1%} were hits, the median took {one['read_p50_ms']:.1f} ms and"
        + f" p99 {one['read_p99_ms']:.0f} ms. In {one['wrong']} reads the number of products was smaller than in the"
        + f" read before. {one['failed']} reads failed."
    )
