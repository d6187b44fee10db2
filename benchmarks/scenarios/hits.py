"""All hits: no entry expires. One connection per thread of the worker; the requests rotate among the users."""

import asyncio
import json
import os
import platform
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

from redis import Redis

from benchmarks.cores import are_separate
from benchmarks.environment import BREAKDOWN, THREADS, BenchmarkEnvironment, User
from benchmarks.lineup import CONTENDERS, LIMIT, OURS, Contender
from benchmarks.load import Answer, LoadClient, read
from benchmarks.meters import RedisUse, cpu_seconds, worker_megabytes
from benchmarks.report import spread, table
from benchmarks.saturation import WRK, saturate
from benchmarks.serving import ContenderServer

__all__ = ["WrongAnswerError", "cpu_ratio", "measure", "ratio", "share_of_core", "show"]

_TTL: Final = 3600
_USERS: Final = 64


class WrongAnswerError(RuntimeError):
    """A contender did not answer with the database's numbers, so its speed has no meaning."""


def measure(environment: BenchmarkEnvironment, *, rounds: int, seconds: float) -> dict[str, Any]:
    """Run interleaved rounds of `seconds` for all contenders.

    Raises:
        WrongAnswerError: a contender gave a wrong answer.

    """
    users, figures = environment.users(_USERS), {each.name: list[dict[str, float]]() for each in CONTENDERS}
    with ExitStack() as running:
        servers = {each: running.enter_context(environment.server(each, ttl=_TTL)) for each in CONTENDERS}
        bodies = {each: asyncio.run(_warm(server, users)) for each, server in servers.items()}
        for number in range(rounds):
            for contender in _rotated(CONTENDERS, number):
                one = _round(environment, servers[contender], users, bodies[contender], seconds=seconds)
                figures[contender.name].append(one)
        return _conditions(users) | {
            "rounds": figures,
            "megabytes": {each.name: worker_megabytes(server.pid) for each, server in servers.items()},
            "entry_bytes": {each.name: _entry_bytes(environment, each) for each in CONTENDERS},
        }


def _conditions(users: Sequence[User]) -> dict[str, Any]:
    return {
        "generator": "wrk" if WRK else "own",
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "separate_cores": are_separate(),
        "connections": THREADS,
        "users": len(users),
        "request_bytes": len(read(users[0])),
    }


def _round(
    environment: BenchmarkEnvironment, server: ContenderServer, users: Sequence[User], body: bytes, *, seconds: float
) -> dict[str, float]:
    """Return the figures of one round: totals of processor time, traffic and calls are divided by the requests."""
    name = server.contender.name
    alone = saturate(server.port, users, body, connections=1, seconds=1)
    redis, calls, cpu = RedisUse.read(environment.redis), environment.database.calls(name), cpu_seconds(server.pid)
    burst = saturate(server.port, users, body, connections=THREADS, seconds=seconds)
    used = RedisUse.read(environment.redis).since(redis, requests=burst.requests)
    if burst.wrong or alone.wrong:
        raise WrongAnswerError(f"{name}: {burst.wrong + alone.wrong} answers were wrong")
    return {
        "per_second": burst.requests / burst.seconds,
        "alone_p50_ms": alone.p50 * 1e3,
        "p50_ms": burst.p50 * 1e3,
        "p99_ms": burst.p99 * 1e3,
        "failed": burst.failed,
        "cpu_us": (cpu_seconds(server.pid) - cpu) / burst.requests * 1e6,
        "http_bytes": burst.bytes / burst.requests,
        "redis_round_trips": used.round_trips,
        "redis_bytes": used.received + used.sent,
        "redis_cpu_us": used.cpu * 1e6,
        "database_calls": (environment.database.calls(name) - calls) / burst.requests,
    }


async def _warm(server: ContenderServer, users: Sequence[User]) -> bytes:
    """Fill the cache and use every thread; return the body that all users get from the cache."""
    clients = [LoadClient(server.port) for _ in range(THREADS)]

    async def run_client(client: LoadClient, known: Sequence[User]) -> list[Answer]:
        return [await client.send(read(user)) for _ in range(3) for user in known]

    shares = [run_client(client, users[start::THREADS]) for start, client in enumerate(clients)]
    answers = [answer for share in await asyncio.gather(*shares) for answer in share]
    for client in clients:
        client.close()
    body = answers[-1].body
    if json.loads(body) != BREAKDOWN or any((answer.status, answer.body) != (200, body) for answer in answers):
        raise WrongAnswerError(f"{server.contender.name} answered {answers[-1].status} {body!r}")
    return body


def show(data: dict[str, Any]) -> str:
    """Return the table: medians over the rounds, the spread of the throughput, and medians of the ratios per round."""
    rounds = data["rounds"]
    order = sorted(CONTENDERS, key=lambda each: -_median(rounds[each.name], "per_second"))
    rows = [_row(data, contender) for contender in order]
    headers = [
        "",
        "requests/s",
        "share of the limit",
        "ours: times faster",
        "alone, ms",
        "p50, ms",
        "p99, ms",
        "CPU, µs",
        "share by CPU",
    ]
    return table([*headers, "RSS, MB", "Redis round trips", "database calls"], rows)


def _row(data: dict[str, Any], contender: Contender) -> list[object]:
    rounds = data["rounds"][contender.name]
    return [
        contender.what,
        spread([each["per_second"] for each in rounds]),
        ratio(data, contender, LIMIT),
        ratio(data, OURS, contender),
        *(_median(rounds, name) for name in ("alone_p50_ms", "p50_ms", "p99_ms", "cpu_us")),
        cpu_ratio(data, contender),
        round(data["megabytes"][contender.name]),
        *(round(_median(rounds, name), 2) for name in ("redis_round_trips", "database_calls")),
    ]


def share_of_core(data: dict[str, Any]) -> float:
    """Return the share of its core that the limit got. The limit never waits, so other programs used the rest."""
    return float(statistics.median(each["per_second"] * each["cpu_us"] / 1e6 for each in data["rounds"][LIMIT.name]))


def ratio(data: dict[str, Any], one: Contender, other: Contender) -> float:
    """Return the throughput of `one` divided by that of `other`: the median of the ratios per round."""
    pairs = zip(data["rounds"][one.name], data["rounds"][other.name], strict=True)
    return float(statistics.median(a["per_second"] / b["per_second"] for a, b in pairs))


def cpu_ratio(data: dict[str, Any], one: Contender) -> float:
    """Return the limit's processor time per request divided by that of `one`. Other programs disturb it least."""
    rounds = data["rounds"]
    return _median(rounds[LIMIT.name], "cpu_us") / _median(rounds[one.name], "cpu_us")


def _rotated(contenders: Sequence[Contender], number: int) -> list[Contender]:
    """Rotate the order in each round, so that no contender always runs after the same other one."""
    start = number % len(contenders)
    return [*contenders[start:], *contenders[:start]]


def _entry_bytes(environment: BenchmarkEnvironment, contender: Contender) -> float:
    """Return the mean memory of one user's entry in Valkey, including its key and overhead."""
    with Redis.from_url(environment.redis_url(contender)) as redis:
        return sum(int(redis.memory_usage(key) or 0) for key in redis.scan_iter()) / _USERS


def _median(rounds: list[dict[str, float]], name: str) -> float:
    return statistics.median(each[name] for each in rounds)
