"""Plan for rates no single machine serves, on paper, and check the paper's formulas by simulation.

The plan uses the existing engines only: gunicorn workers on instances behind a load balancer, Redis Cluster shards, one
PostgreSQL. `costs_of` takes what a hit costs from the results of `make bench`; nothing here is typed in by hand.
"""

import heapq
import itertools
import math
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final, Self

from redis.crc import key_slot

__all__ = ["Costs", "Plan", "busiest_shard", "mean_wait", "miss_share", "plan", "simulated_misses", "simulated_queue"]

WORKERS_PER_INSTANCE: Final = 8
THREADS_PER_WORKER: Final = 8
FEWEST_INSTANCES: Final = 2
"""So that one may be lost, or replaced by a new version."""

WORKER_UTILISATION: Final = 0.6
"""The share of a worker's core that the plan uses: what is left absorbs bursts and a lost instance."""

SHARD_UTILISATION: Final = 0.5
"""Likewise for Redis, which runs commands on one core; half is left for a shard that takes over another's keys."""

READS_PER_SECOND: Final = 1.0
"""How often one user's desk asks, when somebody looks at it."""

TTL: Final = 10.0
_SLOTS: Final = 16384


@dataclass(frozen=True, slots=True)
class Costs:
    """What one hit costs: seconds of a core, bytes on the wire (both ways), bytes in Redis for a user's entry."""

    worker_seconds: float
    redis_seconds: float
    redis_bytes: float
    http_bytes: float
    entry_bytes: float

    @classmethod
    def of(cls, hits: dict[str, Any], name: str) -> Self:
        """Take them from the results of the scenario `hits`: medians over the rounds."""

        def median(figure: str) -> float:
            ordered = sorted(each[figure] for each in hits["rounds"][name])
            return float(ordered[len(ordered) // 2])

        return cls(
            worker_seconds=median("cpu_us") / 1e6,
            redis_seconds=median("redis_cpu_us") / 1e6,
            redis_bytes=median("redis_bytes"),
            http_bytes=median("http_bytes") + hits["request_bytes"],
            entry_bytes=hits["entry_bytes"][name],
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything a rate needs.

    Attributes:
        rate: requests per second.
        workers: gunicorn workers, a core each.
        instances: machines with `WORKERS_PER_INSTANCE` cores.
        shards: Redis masters.
        connections: to each shard, at most.
        wait: mean seconds a request waits for a worker.
        redis_bits: per second and shard.
        http_bits: per second in all.
        users: looking at the same time, each `READS_PER_SECOND`.
        memory: bytes of entries in each shard.
        database_calls: per second.

    """

    rate: float
    workers: int
    instances: int
    shards: int
    connections: int
    wait: float
    redis_bits: float
    http_bits: float
    users: float
    memory: float
    database_calls: float


def plan(rate: float, costs: Costs) -> Plan:
    """Return what `rate` requests per second need."""
    workers = math.ceil(rate * costs.worker_seconds / WORKER_UTILISATION)
    instances = max(FEWEST_INSTANCES, math.ceil(workers / WORKERS_PER_INSTANCE))
    workers = instances * WORKERS_PER_INSTANCE
    shards = math.ceil(rate * costs.redis_seconds / SHARD_UTILISATION)
    users = rate / READS_PER_SECOND
    return Plan(
        rate=rate,
        workers=workers,
        instances=instances,
        shards=shards,
        connections=workers * THREADS_PER_WORKER,
        wait=mean_wait(rate / instances, costs.worker_seconds, WORKERS_PER_INSTANCE),
        redis_bits=rate * costs.redis_bytes * 8 / shards,
        http_bits=rate * costs.http_bytes * 8,
        users=users,
        memory=users * costs.entry_bytes / shards,
        database_calls=rate * miss_share(READS_PER_SECOND, TTL),
    )


def mean_wait(rate: float, service: float, servers: int) -> float:
    """Return the mean wait in seconds before service in an M/M/c queue (Erlang C).

    Service times that vary less than exponential ones, as ours do, wait less: the plan is on the safe side.
    """
    offered = rate * service
    if offered >= servers:
        return math.inf
    blocked = 1.0  # Erlang B, by its recursion, which does not overflow
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    waiting = blocked / (1 - (offered / servers) * (1 - blocked))
    return waiting * service / (servers - offered)


def miss_share(reads_per_second: float, ttl: float) -> float:
    """Return the share of reads that find no entry, when one user reads at random moments: one miss, then hits."""
    return 1 / (1 + reads_per_second * ttl)


def simulated_queue(rate: float, service: float, servers: int, *, requests: int, seed: int) -> tuple[float, float]:
    """Let requests come at random to workers that share a socket; return the workers' utilisation and the mean wait."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    free = [0.0] * servers
    now = waited = worked = 0.0
    for _ in range(requests):
        now += chance.expovariate(rate)
        start = max(now, free[0])
        took = chance.expovariate(1 / service)
        heapq.heapreplace(free, start + took)
        waited += start - now
        worked += took
    return worked / (servers * max(now, *free)), waited / requests


def simulated_misses(reads_per_second: float, ttl: float, *, reads: int, seed: int) -> float:
    """Let one user read at random moments; return the share of reads that found no entry."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    now, expires, misses = 0.0, -1.0, 0
    for _ in range(reads):
        now += chance.expovariate(reads_per_second)
        if now >= expires:
            misses, expires = misses + 1, now + ttl
    return misses / reads


def busiest_shard(users: int, shards: int, *, seed: int) -> float:
    """Give `users` random ids to a cluster of `shards`; return how much more than the mean its busiest one has."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    keys = (b"asin_stats:%032x" % chance.getrandbits(128) for _ in itertools.repeat(None, users))
    loads = Counter(key_slot(key) * shards // _SLOTS for key in keys)
    return max(loads.values()) * shards / users
