"""Nine hits in ten: many users, each coming back often enough that every tenth read finds the entry expired.

All contenders are under this light load at the same time, each with users of its own; what a read takes is then the way
through the code and, for one in ten, the way to the database, not the wait for a processor.
"""

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

from benchmarks.arena import BREAKDOWN, Arena, User
from benchmarks.lineup import CACHED, UNCACHED
from benchmarks.load import Answer, Visitor, mean, percentile, read
from benchmarks.report import table

__all__ = ["measure", "show"]

_WHO: Final = (*CACHED, UNCACHED)
_TTL: Final = 10
_READS: Final = 10
"""Of one user while an entry lives: one finds it expired, the others find it."""

_PAUSE: Final = 1.03
"""Seconds between two: nine pauses are less than the TTL, ten are more, with the database's time on top."""

_USERS: Final = 40


def measure(arena: Arena, *, cycles: int) -> dict[str, Any]:
    """Let every user of every contender read through `cycles` lifetimes of an entry."""
    with ExitStack() as running:
        servers = {each: running.enter_context(arena.server(each, ttl=_TTL)) for each in _WHO}
        visits = {each: [(server.port, user) for user in arena.users(_USERS)] for each, server in servers.items()}
        before = [arena.database.calls(who.name) for who in _WHO]
        answers = asyncio.run(_everybody(list(visits.values()), reads=cycles * _READS))
        calls = [arena.database.calls(who.name) - had for who, had in zip(_WHO, before, strict=True)]
    return {
        "users": _USERS,
        "pause": _PAUSE,
        "ttl": _TTL,
        "contenders": {
            who.name: _figures(given, called) for who, given, called in zip(_WHO, answers, calls, strict=True)
        },
    }


async def _everybody(visits: Sequence[Sequence[tuple[int, User]]], *, reads: int) -> list[list[Answer]]:
    # Spread over the lifetime of an entry, so that the entries do not all expire in the same second.
    starts = random.Random(1)  # noqa: S311 - no secret
    return [
        [answer for each in await one for answer in each]
        for one in [
            asyncio.gather(*(_visit(port, user, starts.uniform(0, _PAUSE * _READS), reads) for port, user in users))
            for users in visits
        ]
    ]


async def _visit(port: int, user: User, start: float, reads: int) -> list[Answer]:
    """Read every `_PAUSE` seconds, by the clock: a slow answer does not move the later reads."""
    visitor, answers = Visitor(port), list[Answer]()
    loop = asyncio.get_running_loop()
    begin = loop.time() + start
    for number in range(reads):
        await asyncio.sleep(max(0, begin + number * _PAUSE - loop.time()))
        answers.append(await visitor.ask(read(user)))
    visitor.leave()
    return answers


def _figures(answers: Sequence[Answer], calls: int) -> dict[str, float]:
    times = [answer.seconds for answer in answers]
    return {
        "reads": len(answers),
        "wrong": sum(answer.status != 200 or json.loads(answer.body) != BREAKDOWN for answer in answers),
        "asked_database": calls / len(times),
        "mean_ms": mean(times) * 1e3,
        "p50_ms": percentile(times, 50) * 1e3,
        "p99_ms": percentile(times, 99) * 1e3,
    }


def show(data: dict[str, Any]) -> str:
    """Return the table."""
    figures = data["contenders"]
    without = figures[UNCACHED.name]["mean_ms"]
    rows = [
        [
            who.what,
            *(figures[who.name][name] for name in ("mean_ms", "p50_ms", "p99_ms")),
            f"{figures[who.name]['asked_database']:.1%}",
            f"{without / figures[who.name]['mean_ms']:.1f} times",
            int(figures[who.name]["wrong"]),
        ]
        for who in _WHO
    ]
    return table(["", "mean, ms", "p50, ms", "p99, ms", "asked the database", "faster than no cache", "wrong"], rows)
