"""Redis outage: first Redis is killed, so connections are refused; then it is frozen, so commands get no answer."""

import asyncio
import itertools
import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.cores import LOAD, pinned
from benchmarks.environment import BREAKDOWN, THREADS, BenchmarkEnvironment, User
from benchmarks.lineup import CACHED, UNCACHED, Contender
from benchmarks.load import Answer, LoadClient, percentile, read
from benchmarks.report import table
from benchmarks.serving import ContenderServer

__all__ = ["measure", "show"]

_CONTENDERS: Final = (*CACHED, UNCACHED)
_USERS: Final = 32
_HUNG: Final = 5.0
_SLICE: Final = 0.25
_SLOW: Final = 1.0
"""Latency in seconds above which an answer counts as slow. Only a Redis time-out takes that long."""


def measure(
    environment: BenchmarkEnvironment, *, down_seconds: float, contenders: Sequence[Contender] = _CONTENDERS
) -> dict[str, Any]:
    """For each contender: kill Redis for `down_seconds` seconds, restart it, then freeze it for five seconds."""
    return {
        "hung_seconds": _HUNG,
        "contenders": {each.name: _outages(environment, each, down_seconds=down_seconds) for each in contenders},
    }


def _outages(environment: BenchmarkEnvironment, contender: Contender, *, down_seconds: float) -> dict[str, Any]:
    valkey, users = environment.stack.redis, environment.users(_USERS)
    with environment.server(contender) as server:
        asyncio.run(_load(server, users, seconds=1))
        valkey.kill()
        killed = asyncio.run(_load(server, users, seconds=down_seconds))
        with pinned(LOAD):
            valkey.start()
        asyncio.run(_load(server, users, seconds=2))
        answers, frozen, resumed = asyncio.run(_freeze(environment, server, users))
    hung = [answer for answer in answers if answer.ended > frozen and answer.started < resumed]
    return {"killed": _figures(killed), "hung": _figures(hung), "timeline": _timeline(answers, frozen)}


async def _freeze(
    environment: BenchmarkEnvironment, server: ContenderServer, users: Sequence[User]
) -> tuple[list[Answer], float, float]:
    """Freeze Redis under load; return all answers and the times of freezing and resuming."""
    load = asyncio.create_task(_load(server, users, seconds=_HUNG + 2))
    await asyncio.sleep(1)
    frozen = time.monotonic()
    environment.stack.redis.pause()
    await asyncio.sleep(_HUNG)
    environment.stack.redis.resume()
    resumed = time.monotonic()
    return await load, frozen, resumed


async def _load(server: ContenderServer, users: Sequence[User], *, seconds: float) -> list[Answer]:
    """Read for some seconds with as many clients as the server has threads; the requests rotate among the users."""
    end, requests, answers = time.monotonic() + seconds, itertools.cycle(map(read, users)), list[Answer]()

    async def run_client() -> None:
        client = LoadClient(server.port)
        while time.monotonic() < end:
            answers.append(await client.send(next(requests)))
        client.close()

    await asyncio.gather(*(run_client() for _ in range(THREADS)))
    return answers


def _timeline(answers: Sequence[Answer], frozen: float) -> list[tuple[float, float]]:
    """Return pairs (seconds after the freeze, answers per second) for each time interval."""
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
    """Return the table of latencies and failures while Redis was killed and while it was frozen."""
    rows = []
    for contender in _CONTENDERS:
        if figures := data["contenders"].get(contender.name):
            killed, hung = figures["killed"], figures["hung"]
            rows.append(
                [
                    contender.what,
                    *(killed["p99_ms"], int(killed["failed"])),
                    *(int(hung[name]) for name in ("requests", "slow", "failed")),
                    *(hung[name] for name in ("p50_ms", "p99_ms", "p99_of_the_rest_ms")),
                ]
            )
    headers = ["", "killed: p99, ms", "killed: failed", "hung: answers", "slower than 1 s", "hung: failed"]
    return table([*headers, "p50, ms", "p99, ms", "p99 of the rest, ms"], rows)
