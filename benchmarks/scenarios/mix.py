"""90 % hits: many users, each of whom reads so often that every tenth read finds an expired entry.

All contenders are measured at the same time, each with its own users. The load is light, so a read does not wait for a
processor. Its time is that of the code and, for every tenth read, of the database.
"""

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

from benchmarks.environment import BREAKDOWN, BenchmarkEnvironment, User
from benchmarks.lineup import CACHED, UNCACHED
from benchmarks.load import Answer, LoadClient, mean, percentile, read
from benchmarks.report import table

__all__ = ["measure", "show"]

_CONTENDERS: Final = (*CACHED, UNCACHED)
_TTL: Final = 10
_READS: Final = 10
"""Reads of one user per lifetime of an entry: one is a miss, the others are hits."""

_PAUSE: Final = 1.03
"""Seconds between two reads of a user. Nine pauses are shorter than the TTL; ten are longer than TTL plus database."""

_USERS: Final = 40


def measure(environment: BenchmarkEnvironment, *, cycles: int) -> dict[str, Any]:
    """Let every user of every contender read for `cycles` lifetimes of an entry."""
    with ExitStack() as running:
        servers = {each: running.enter_context(environment.server(each, ttl=_TTL)) for each in _CONTENDERS}
        reads_by_user = {
            each: [(server.port, user) for user in environment.users(_USERS)] for each, server in servers.items()
        }
        before = [environment.database.calls(contender.name) for contender in _CONTENDERS]
        answers = asyncio.run(_load(list(reads_by_user.values()), reads=cycles * _READS))
        calls = [
            environment.database.calls(contender.name) - had for contender, had in zip(_CONTENDERS, before, strict=True)
        ]
    return {
        "users": _USERS,
        "pause": _PAUSE,
        "ttl": _TTL,
        "contenders": {
            contender.name: _figures(given, called)
            for contender, given, called in zip(_CONTENDERS, answers, calls, strict=True)
        },
    }


async def _load(reads_by_user: Sequence[Sequence[tuple[int, User]]], *, reads: int) -> list[list[Answer]]:
    # Spread the start times over the lifetime of an entry, so that the entries do not all expire in the same second.
    starts = random.Random(1)  # noqa: S311 - no secret
    return [
        [answer for each in await one for answer in each]
        for one in [
            asyncio.gather(
                *(_run_client(port, user, starts.uniform(0, _PAUSE * _READS), reads) for port, user in users)
            )
            for users in reads_by_user
        ]
    ]


async def _run_client(port: int, user: User, start: float, reads: int) -> list[Answer]:
    """Read every `_PAUSE` seconds on a fixed schedule: a slow answer does not delay the later reads."""
    client, answers = LoadClient(port), list[Answer]()
    loop = asyncio.get_running_loop()
    begin = loop.time() + start
    for number in range(reads):
        await asyncio.sleep(max(0, begin + number * _PAUSE - loop.time()))
        answers.append(await client.send(read(user)))
    client.close()
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
    """Return the table of latencies, database calls and wrong answers."""
    figures = data["contenders"]
    without = figures[UNCACHED.name]["mean_ms"]
    rows = [
        [
            contender.what,
            *(figures[contender.name][name] for name in ("mean_ms", "p50_ms", "p99_ms")),
            f"{figures[contender.name]['asked_database']:.1%}",
            f"{without / figures[contender.name]['mean_ms']:.1f} times",
            int(figures[contender.name]["wrong"]),
        ]
        for contender in _CONTENDERS
    ]
    headers = ["", "mean, ms", "p50, ms", "p99, ms", "database calls per read", "faster than without a cache"]
    return table([*headers, "wrong answers"], rows)
