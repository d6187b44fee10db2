"""One change per five reads: several clients per user, each of which reads or changes at random.

Each acknowledged change adds one product. A read is stale if it shows fewer products than were acknowledged before the
read started.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.environment import BREAKDOWN, BenchmarkEnvironment, User
from benchmarks.lineup import CACHED, UNCACHED
from benchmarks.load import Answer, LoadClient, change, percentile, read
from benchmarks.report import table
from benchmarks.serving import ContenderServer

__all__ = ["measure", "show"]

_CONTENDERS: Final = (*CACHED, UNCACHED)
_USERS: Final = 4
_CLIENTS: Final = 4
_CHANGES: Final = 1 / 6


@dataclass(slots=True)
class _Ledger:
    """The answers that one user's clients got; `acknowledged` is the number of acknowledged products."""

    acknowledged: int = BREAKDOWN["all"]
    reads: list[Answer] = field(default_factory=list)
    changes: list[Answer] = field(default_factory=list)
    stale: int = 0


def measure(environment: BenchmarkEnvironment, *, seconds: float) -> dict[str, Any]:
    """Put each contender under this load for `seconds`, one after another."""
    figures = {}
    for contender in _CONTENDERS:
        with ExitStack() as running:
            server = running.enter_context(environment.server(contender))
            calls = environment.database.calls(contender.name)
            ledgers = asyncio.run(_load(server, environment.users(_USERS), seconds=seconds))
            figures[contender.name] = _figures(
                ledgers, seconds=seconds, calls=environment.database.calls(contender.name) - calls
            )
    return {"users": _USERS, "clients": _CLIENTS, "contenders": figures}


async def _load(server: ContenderServer, users: Sequence[User], *, seconds: float) -> list[_Ledger]:
    end, ledgers, rng = time.monotonic() + seconds, [_Ledger() for _ in users], random.Random(1)  # noqa: S311
    runs = [
        _run_client(LoadClient(server.port), user, ledger, rng, end=end)
        for user, ledger in zip(users, ledgers, strict=True)
        for _ in range(_CLIENTS)
    ]
    await asyncio.gather(*runs)
    return ledgers


async def _run_client(client: LoadClient, user: User, ledger: _Ledger, rng: random.Random, *, end: float) -> None:
    reading = read(user)
    while time.monotonic() < end:
        if rng.random() < _CHANGES:
            answer = await client.send(change(user))
            ledger.changes.append(answer)
            ledger.acknowledged += answer.status == 201
        else:
            floor = ledger.acknowledged
            answer = await client.send(reading)
            ledger.reads.append(answer)
            ledger.stale += answer.status == 200 and answer.total() < floor
    client.close()


def _figures(ledgers: Sequence[_Ledger], *, seconds: float, calls: int) -> dict[str, float]:
    reads = [answer for ledger in ledgers for answer in ledger.reads]
    changes = [answer for ledger in ledgers for answer in ledger.changes]
    times = [answer.seconds for answer in reads]
    return {
        "reads_per_second": len(reads) / seconds,
        "changes": len(changes),
        "read_p50_ms": percentile(times, 50) * 1e3,
        "read_p99_ms": percentile(times, 99) * 1e3,
        "change_p50_ms": percentile((answer.seconds for answer in changes), 50) * 1e3,
        "database_calls": calls / len(reads),
        "stale": sum(ledger.stale for ledger in ledgers) / len(reads),
        "failed": sum(answer.status not in {200, 201} for answer in (*reads, *changes)),
    }


def show(data: dict[str, Any]) -> str:
    """Return the table of rates, latencies, database calls and stale reads."""
    rows = []
    for contender in _CONTENDERS:
        one = data["contenders"][contender.name]
        times = (one[name] for name in ("reads_per_second", "read_p50_ms", "read_p99_ms", "change_p50_ms"))
        calls = f"{one['database_calls']:.2f}"
        rows.append([contender.what, *times, calls, f"{one['stale']:.1%}", int(one["failed"])])
    headers = ["", "reads/s", "p50, ms", "p99, ms", "change p50, ms", "database calls per read"]
    return table([*headers, "stale reads", "failed"], rows)
