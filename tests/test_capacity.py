"""The capacity plan of docs/performance.md: its formulas against simulations, and its limits."""

from typing import Final

import pytest

from benchmarks.capacity import (
    FEWEST_INSTANCES,
    SHARD_UTILISATION,
    WORKER_UTILISATION,
    WORKERS_PER_INSTANCE,
    Costs,
    busiest_shard,
    mean_wait,
    miss_share,
    plan,
    simulated_misses,
    simulated_queue,
)

pytestmark = pytest.mark.proof

# Similar to the measured costs. The plan's arithmetic does not depend on the values.
_COSTS: Final = Costs(worker_seconds=300e-6, redis_seconds=17e-6, redis_bytes=400, http_bytes=1_000, entry_bytes=250)
_RATES: Final = (10_000, 100_000, 1_000_000)


@pytest.mark.parametrize(("servers", "utilisation"), [(1, 0.5), (4, 0.8), (8, 0.6)])
def test_the_waiting_time_formula_matches_a_simulation(servers: int, utilisation: float) -> None:
    """The plan takes two results from queueing theory: the utilisation of workers and the waiting time."""
    rate = utilisation * servers / _COSTS.worker_seconds
    seen, waited = simulated_queue(rate, _COSTS.worker_seconds, servers, requests=100_000, seed=7)

    assert seen == pytest.approx(utilisation, rel=0.02)
    assert waited == pytest.approx(mean_wait(rate, _COSTS.worker_seconds, servers), rel=0.1)


@pytest.mark.parametrize("reads_per_second", [0.1, 1.0, 5.0])
def test_the_miss_share_formula_matches_a_simulation(reads_per_second: float) -> None:
    """The share of misses determines the number of database calls."""
    simulated = simulated_misses(reads_per_second, 10, reads=50_000, seed=7)

    assert simulated == pytest.approx(miss_share(reads_per_second, 10), rel=0.05)


@pytest.mark.parametrize("rate", _RATES)
def test_the_plan_keeps_its_limits_with_as_few_instances_as_possible(rate: float) -> None:
    """A simulated instance is no busier than planned. With one instance less, the limit would be exceeded."""
    planned = plan(rate, _COSTS)
    share = rate / planned.instances
    seen, waited = simulated_queue(share, _COSTS.worker_seconds, WORKERS_PER_INSTANCE, requests=50_000, seed=7)

    assert seen <= WORKER_UTILISATION * 1.02
    assert max(waited, planned.wait) < _COSTS.worker_seconds / 10
    fewer = (planned.instances - 1) * WORKERS_PER_INSTANCE
    assert planned.instances == FEWEST_INSTANCES or rate * _COSTS.worker_seconds / fewer > WORKER_UTILISATION
    assert rate * _COSTS.redis_seconds / planned.shards <= SHARD_UTILISATION
    assert planned.database_calls == pytest.approx(rate / 11)
    assert planned.connections == planned.workers * 8


def test_keys_spread_evenly_over_the_shards_of_the_largest_plan() -> None:
    """The busiest shard stays below its limit, because there are many users with random ids."""
    planned = plan(max(_RATES), _COSTS)
    # A tenth of the users. Fewer keys spread less evenly, so this is the harder case.
    excess = busiest_shard(int(planned.users / 10), planned.shards, seed=7)

    assert excess * SHARD_UTILISATION < 0.6


def test_the_mean_wait_of_an_overloaded_queue_is_infinite() -> None:
    """The result is infinite, not negative."""
    assert mean_wait(12_000, 300e-6, 3) == float("inf")
