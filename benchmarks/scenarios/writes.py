"""One change per five reads: several visitors of the same user, each reading or changing by lot.

Each acknowledged change adds one product. A read that started later and tells fewer products than were acknowledged by
then is stale.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.arena import BREAKDOWN, Arena, User
from benchmarks.lineup import CACHED, UNCACHED
from benchmarks.load import Answer, Visitor, change, percentile, read
from benchmarks.report import table
from benchmarks.serving import ContenderServer

__all__ = ["measure", "show"]

_WHO: Final = (*CACHED, UNCACHED)
_USERS: Final = 4
_VISITORS: Final = 4
_CHANGES: Final = 1 / 6


@dataclass(slots=True)
class _Ledger:
    """What one user's visitors have seen; `acknowledged` counts products."""

    acknowledged: int = BREAKDOWN["all"]
    reads: list[Answer] = field(default_factory=list)
    changes: list[Answer] = field(default_factory=list)
    stale: int = 0


def measure(arena: Arena, *, seconds: float) -> dict[str, Any]:
    """Put each contender under this load for `seconds`, one after the other."""
    figures = {}
    for who in _WHO:
        with ExitStack() as running:
            server = running.enter_context(arena.server(who))
            calls = arena.database.calls(who.name)
            ledgers = asyncio.run(_load(server, arena.users(_USERS), seconds=seconds))
            figures[who.name] = _figures(ledgers, seconds=seconds, calls=arena.database.calls(who.name) - calls)
    return {"users": _USERS, "visitors": _VISITORS, "contenders": figures}


async def _load(server: ContenderServer, users: Sequence[User], *, seconds: float) -> list[_Ledger]:
    end, ledgers, lots = time.monotonic() + seconds, [_Ledger() for _ in users], random.Random(1)  # noqa: S311
    visits = [
        _visit(Visitor(server.port), user, ledger, lots, end=end)
        for user, ledger in zip(users, ledgers, strict=True)
        for _ in range(_VISITORS)
    ]
    await asyncio.gather(*visits)
    return ledgers


async def _visit(visitor: Visitor, user: User, ledger: _Ledger, lots: random.Random, *, end: float) -> None:
    reading = read(user)
    while time.monotonic() < end:
        if lots.random() < _CHANGES:
            answer = await visitor.ask(change(user))
            ledger.changes.append(answer)
            ledger.acknowledged += answer.status == 201
        else:
            floor = ledger.acknowledged
            answer = await visitor.ask(reading)
            ledger.reads.append(answer)
            ledger.stale += answer.status == 200 and answer.total() < floor
    visitor.leave()


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
    """Return the table."""
    rows = []
    for who in _WHO:
        one = data["contenders"][who.name]
        times = (one[name] for name in ("reads_per_second", "read_p50_ms", "read_p99_ms", "change_p50_ms"))
        calls = f"{one['database_calls']:.2f}"
        rows.append([who.what, *times, calls, f"{one['stale']:.1%}", int(one["failed"])])
    headers = ["", "reads/s", "p50, ms", "p99, ms", "change p50, ms", "database calls per read"]
    return table([*headers, "stale reads", "failed"], rows)
