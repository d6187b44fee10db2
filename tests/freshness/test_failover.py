"""Tests of a failover under load: the replica that becomes master may have missed the last deletes."""

import math
import time
from pathlib import Path

import pytest
from redis import Redis

from app.caching.policy import Timing
from app.caching.states import LEASE, Outcome
from local.processes import wait_until
from tests.caching.deployments import MASTER_NAME, SentinelSetup, sentinel_setup
from tests.caching.engines import KEY, Computation, engine, fetch, fetching
from tests.freshness.history import all_served_hits, violations
from tests.freshness.linearizability import judge, summary
from tests.freshness.load import Load
from tests.freshness.system import WORKERS, StartSystem

pytestmark = pytest.mark.proof


def test_failover_makes_no_read_stale_and_no_request_fail(start_system: StartSystem, tmp_path: Path) -> None:
    """Caching continues on the new master."""
    with sentinel_setup(tmp_path / "sentinels") as redis:
        addresses = ",".join(f"{host}:{port}" for host, port in redis.deployment.topology.sentinels)
        settings = {"REDIS_URL": "", "REDIS_SENTINELS": addresses, "REDIS_SENTINEL_MASTER": MASTER_NAME}
        with start_system("ours", fill_delay=0.01, **settings) as system, system.sellers(6) as sellers:
            load = Load(system.server.port, sellers, seed=0, readers=1, think_time=0.3)
            with load:
                assert wait_until(lambda: _all_workers_serve_hits(load, since=0), seconds=20)
                redis.master.kill()
                killed = time.monotonic()
                assert wait_until(lambda: _all_workers_serve_hits(load, since=killed), seconds=30)
                load.pause(1.0)
    print(f"failover: {summary(judge(load.history))}")  # noqa: T201 - shown with -s
    stale = violations(load.history)
    assert not stale, "\n".join(map(str, stale[:5]))
    assert {each.status for each in load.history} <= {200, 201, 204}


def _all_workers_serve_hits(load: Load, *, since: float) -> bool:
    return all_served_hits(load.history, workers=WORKERS, since=since) < math.inf


def test_fill_with_a_lease_that_outlived_its_delete_is_not_served(tmp_path: Path) -> None:
    """The replica has the lease of a slow reader, but missed the delete of a writer that was acknowledged before."""
    with sentinel_setup(tmp_path / "sentinels") as redis:
        reader, writer = (engine(redis.deployment.topology, timing=Timing(), known_server=False) for _ in range(2))
        replica = Redis.from_url(redis.replica.url)
        with fetching(reader, Computation("before")) as answers:
            assert wait_until(lambda: replica.getrange(KEY, 0, len(LEASE) - 1) == LEASE, seconds=5)
            _disconnect_replica(redis)
            writer.end(KEY, writer.begin(KEY))
            assert writer.breaker.owed == 0
            redis.master.kill()
            redis.replica.resume()
            cached = {Outcome.STORED, Outcome.HIT}
            assert wait_until(lambda: fetch(writer, Computation(), key="another").outcome in cached, seconds=20)
        assert [answer.outcome for answer in answers] == [Outcome.STORED]
        assert fetch(writer, Computation("after")).value == "after"


def _disconnect_replica(redis: SentinelSetup) -> None:
    """Make the replica miss all later commands. It notices only when it is resumed."""
    redis.replica.pause()
    Redis.from_url(redis.master.url).client_kill_filter(_type="replica")
