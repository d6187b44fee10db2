"""Redis goes: first killed, so that connections are refused, then frozen, so that nothing answers at all."""

import asyncio
import itertools
import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.arena import BREAKDOWN, THREADS, Arena, User
from benchmarks.cores import LOAD, pinned
from benchmarks.lineup import CACHED, UNCACHED, Contender
from benchmarks.load import Answer, Visitor, percentile, read
from benchmarks.report import table
from benchmarks.serving import ContenderServer

__all__ = ["measure", "show"]

_EVERYBODY: Final = (*CACHED, UNCACHED)
_USERS: Final = 32
_HUNG: Final = 5.0
_SLICE: Final = 0.25
_SLOW: Final = 1.0
"""Seconds: nobody waits that long but for a Redis time-out."""


def measure(arena: Arena, *, absent: float, who: Sequence[Contender] = _EVERYBODY) -> dict[str, Any]:
    """Take Redis away from each contender: killed for `absent` seconds, back, frozen for five."""
    return {"hung_seconds": _HUNG, "contenders": {each.name: _outages(arena, each, absent=absent) for each in who}}


def _outages(arena: Arena, who: Contender, *, absent: float) -> dict[str, Any]:
    valkey, users = arena.stack.redis, arena.users(_USERS)
    with arena.server(who) as server:
        asyncio.run(_load(server, users, seconds=1))
        valkey.kill()
        killed = asyncio.run(_load(server, users, seconds=absent))
        with pinned(LOAD):
            valkey.start()
        asyncio.run(_load(server, users, seconds=2))
        answers, frozen, resumed = asyncio.run(_hang(arena, server, users))
    hung = [answer for answer in answers if answer.ended > frozen and answer.started < resumed]
    return {"killed": _figures(killed), "hung": _figures(hung), "timeline": _timeline(answers, frozen)}


async def _hang(arena: Arena, server: ContenderServer, users: Sequence[User]) -> tuple[list[Answer], float, float]:
    """Freeze Redis under load; return all answers, and when it was frozen and resumed."""
    load = asyncio.create_task(_load(server, users, seconds=_HUNG + 2))
    await asyncio.sleep(1)
    frozen = time.monotonic()
    arena.stack.redis.pause()
    await asyncio.sleep(_HUNG)
    arena.stack.redis.resume()
    resumed = time.monotonic()
    return await load, frozen, resumed


async def _load(server: ContenderServer, users: Sequence[User], *, seconds: float) -> list[Answer]:
    """Read for some seconds, with as many visitors as the server has threads, each time as another user."""
    end, requests, answers = time.monotonic() + seconds, itertools.cycle(map(read, users)), list[Answer]()

    async def visit() -> None:
        visitor = Visitor(server.port)
        while time.monotonic() < end:
            answers.append(await visitor.ask(next(requests)))
        visitor.leave()

    await asyncio.gather(*(visit() for _ in range(THREADS)))
    return answers


def _timeline(answers: Sequence[Answer], frozen: float) -> list[tuple[float, float]]:
    """Return answers per second in each slice of time, which begins at so many seconds after Redis froze."""
    slices = Counter(math.floor((answer.ended - frozen) / _SLICE) for answer in answers)
    last = math.floor((_HUNG + 1) / _SLICE)
    return [(number * _SLICE, slices[number] / _SLICE) for number in range(math.ceil(-1 / _SLICE), last)]


def _figures(answers: Sequence[Answer]) -> dict[str, float]:
    times = [answer.seconds for answer in answers]
    return {
        "requests": len(answers),
        "p50_ms": percentile(times, 50) * 1e3,
        "p99_ms": percentile(times, 99) * 1e3,
        "p99_of_the_rest_ms": percentile([seconds for seconds in times if seconds < _SLOW], 99) * 1e3,
        "slow": sum(seconds >= _SLOW for seconds in times),
        "failed": sum(answer.status != 200 or json.loads(answer.body) != BREAKDOWN for answer in answers),
    }


def show(data: dict[str, Any]) -> str:
    """Return the table."""
    rows = []
    for who in _EVERYBODY:
        if figures := data["contenders"].get(who.name):
            killed, hung = figures["killed"], figures["hung"]
            rows.append(
                [
                    who.what,
                    *(killed["p99_ms"], int(killed["failed"])),
                    *(int(hung[name]) for name in ("requests", "slow", "failed")),
                    *(hung[name] for name in ("p50_ms", "p99_ms", "p99_of_the_rest_ms")),
                ]
            )
    headers = ["", "killed: p99, ms", "failed", "hung: answers", "slower than 1 s", "failed"]
    return table([*headers, "p50, ms", "p99, ms", "p99 of the rest, ms"], rows)
