"""Calculate the capacity that high request rates need, and simulate the formulas that the calculation uses.

A plan uses existing components only: gunicorn workers on instances behind a load balancer, Redis Cluster shards, one
PostgreSQL. `Costs.of` reads the measured costs of a hit from the results of `make bench`.
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
"""Minimum number of instances, so that one can fail or be replaced by a new version."""

WORKER_UTILISATION: Final = 0.6
"""Planned utilisation of a worker's core. The rest is reserved for bursts and for the loss of an instance."""

SHARD_UTILISATION: Final = 0.5
"""Planned utilisation of a Redis core. The rest is reserved for a shard that takes over the keys of another one."""

READS_PER_SECOND: Final = 1.0
"""Requests per second of one user who has the desk open."""

TTL: Final = 10.0
_SLOTS: Final = 16384


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of one hit: processor seconds, bytes sent and received, and bytes in Redis for one user's entry."""

    worker_seconds: float
    redis_seconds: float
    redis_bytes: float
    http_bytes: float
    entry_bytes: float

    @classmethod
    def of(cls, hits: dict[str, Any], name: str) -> Self:
        """Return the costs of the contender `name` from the results of the scenario `hits`: medians over the rounds."""

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
    """The capacity that a request rate needs.

    Attributes:
        rate: requests per second.
        workers: number of gunicorn workers, with one core each.
        instances: number of machines with `WORKERS_PER_INSTANCE` cores.
        shards: number of Redis masters.
        connections: maximum number of connections to each shard.
        wait: mean seconds that a request waits for a worker.
        redis_bits: Redis traffic in bits per second and shard.
        http_bits: total HTTP traffic in bits per second.
        users: number of concurrent users, with `READS_PER_SECOND` each.
        memory: bytes of cache entries in each shard.
        database_calls: database calls per second.

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
    """Return the capacity for `rate` requests per second."""
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

    Our service times vary less than the exponential ones of this formula, so real waits are shorter.
    """
    offered = rate * service
    if offered >= servers:
        return math.inf
    blocked = 1.0  # Erlang B by recursion, which does not overflow
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    waiting = blocked / (1 - (offered / servers) * (1 - blocked))
    return waiting * service / (servers - offered)


def miss_share(reads_per_second: float, ttl: float) -> float:
    """Return the share of misses among the reads of one user who reads at random moments."""
    return 1 / (1 + reads_per_second * ttl)


def simulated_queue(rate: float, service: float, servers: int, *, requests: int, seed: int) -> tuple[float, float]:
    """Simulate random requests to workers that share a socket; return the workers' utilisation and the mean wait."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    free = [0.0] * servers
    now = waited = worked = 0.0
    for _ in range(requests):
        now += rng.expovariate(rate)
        start = max(now, free[0])
        took = rng.expovariate(1 / service)
        heapq.heapreplace(free, start + took)
        waited += start - now
        worked += took
    return worked / (servers * max(now, *free)), waited / requests


def simulated_misses(reads_per_second: float, ttl: float, *, reads: int, seed: int) -> float:
    """Simulate one user who reads at random moments; return the share of misses."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    now, expires, misses = 0.0, -1.0, 0
    for _ in range(reads):
        now += rng.expovariate(reads_per_second)
        if now >= expires:
            misses, expires = misses + 1, now + ttl
    return misses / reads


def busiest_shard(users: int, shards: int, *, seed: int) -> float:
    """Distribute `users` random user ids over `shards`; return the load of the busiest shard divided by the mean."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    keys = (b"asin_stats:%032x" % rng.getrandbits(128) for _ in itertools.repeat(None, users))
    loads = Counter(key_slot(key) * shards // _SLOTS for key in keys)
    return max(loads.values()) * shards / users
