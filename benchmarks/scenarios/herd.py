"""Thundering herd: 200 clients request the same uncached breakdown at the same moment."""

import asyncio
import json
import statistics
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.environment import BREAKDOWN, BenchmarkEnvironment, User
from benchmarks.lineup import CACHED, LOCKED_CASHEWS, UNCACHED, Contender
from benchmarks.load import Answer, LoadClient, read, send_together
from benchmarks.report import table
from benchmarks.serving import ContenderServer

__all__ = ["measure", "show"]

_CONTENDERS: Final = (*CACHED, LOCKED_CASHEWS, UNCACHED)
_CLIENTS: Final = 200
_WORKERS: Final = 4


def measure(
    environment: BenchmarkEnvironment, *, herds: int, contenders: Sequence[Contender] = _CONTENDERS
) -> dict[str, Any]:
    """Send `herds` herds to each contender, each for a new user. Each server has a thread for every client."""
    figures = {}
    for contender in contenders:
        with environment.server(contender, workers=_WORKERS, threads=_CLIENTS // _WORKERS) as server:
            figures[contender.name] = [_herd(environment, server, user) for user in environment.users(herds + 1)][1:]
    return {"clients": _CLIENTS, "workers": _WORKERS, "contenders": figures}


def _herd(environment: BenchmarkEnvironment, server: ContenderServer, user: User) -> dict[str, float]:
    calls = environment.database.calls(server.contender.name)
    answers = asyncio.run(_send_herd(server, user))
    return {
        "database_calls": environment.database.calls(server.contender.name) - calls,
        "seconds": max(answer.ended for answer in answers) - min(answer.started for answer in answers),
        "wrong": sum(answer.status != 200 or json.loads(answer.body) != BREAKDOWN for answer in answers),
    }


async def _send_herd(server: ContenderServer, user: User) -> list[Answer]:
    clients = [LoadClient(server.port) for _ in range(_CLIENTS)]
    answers = await send_together(clients, read(user))
    for client in clients:
        client.close()
    return answers


def show(data: dict[str, Any]) -> str:
    """Return the table of database calls, times and wrong answers."""
    rows = []
    for contender in _CONTENDERS:
        if not (herds := data["contenders"].get(contender.name)):
            continue
        calls = [int(herd["database_calls"]) for herd in herds]
        seconds = statistics.median(herd["seconds"] for herd in herds)
        rows.append(
            [contender.what, statistics.median_high(calls), f"{seconds:.2f}", sum(int(herd["wrong"]) for herd in herds)]
        )
    return table(["", "database calls", "all answered after, s", "wrong answers"], rows)
