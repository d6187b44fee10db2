"""A herd: 200 visitors ask for the same numbers at the same moment, and nothing is stored."""

import asyncio
import json
import statistics
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.arena import BREAKDOWN, Arena, User
from benchmarks.lineup import CACHED, LOCKED_CASHEWS, UNCACHED, Contender
from benchmarks.load import Answer, Visitor, read, together
from benchmarks.report import table
from benchmarks.serving import ContenderServer

__all__ = ["measure", "show"]

_WHO: Final = (*CACHED, LOCKED_CASHEWS, UNCACHED)
_VISITORS: Final = 200
_WORKERS: Final = 4


def measure(arena: Arena, *, herds: int, whom: Sequence[Contender] = _WHO) -> dict[str, Any]:
    """Let `herds` come to each of `whom`, each to a new user, with room for all of them to be served at once."""
    figures = {}
    for who in whom:
        with arena.server(who, workers=_WORKERS, threads=_VISITORS // _WORKERS) as server:
            figures[who.name] = [_herd(arena, server, user) for user in arena.users(herds + 1)][1:]
    return {"visitors": _VISITORS, "workers": _WORKERS, "contenders": figures}


def _herd(arena: Arena, server: ContenderServer, user: User) -> dict[str, float]:
    calls = arena.database.calls(server.contender.name)
    answers = asyncio.run(_come(server, user))
    return {
        "database_calls": arena.database.calls(server.contender.name) - calls,
        "seconds": max(answer.ended for answer in answers) - min(answer.started for answer in answers),
        "wrong": sum(answer.status != 200 or json.loads(answer.body) != BREAKDOWN for answer in answers),
    }


async def _come(server: ContenderServer, user: User) -> list[Answer]:
    visitors = [Visitor(server.port) for _ in range(_VISITORS)]
    answers = await together(visitors, read(user))
    for visitor in visitors:
        visitor.leave()
    return answers


def show(data: dict[str, Any]) -> str:
    """Return the table."""
    rows = []
    for who in _WHO:
        if not (herds := data["contenders"].get(who.name)):
            continue
        calls = [int(herd["database_calls"]) for herd in herds]
        seconds = statistics.median(herd["seconds"] for herd in herds)
        rows.append(
            [who.what, statistics.median_high(calls), f"{seconds:.2f}", sum(int(herd["wrong"]) for herd in herds)]
        )
    return table(["", "database calls", "all answered after, s", "wrong"], rows)
