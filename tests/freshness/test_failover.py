"""The master dies under load and a replica takes over: it may have missed the last deletes."""

import math
import time
from pathlib import Path

import pytest
from redis import Redis

from app.caching.states import LEASE, Outcome
from app.caching.timing import Timing
from local.processes import wait_until
from tests.caching.engines import KEY, Computation, engine, fetch, fetching
from tests.caching.places import MASTER_NAME, Watched, watched
from tests.freshness.history import all_served_hits, violations
from tests.freshness.load import Load
from tests.freshness.scene import WORKERS, Stage

pytestmark = pytest.mark.proof


def test_a_failover_makes_no_read_stale_and_no_request_fail(stage: Stage, tmp_path: Path) -> None:
    """And when the replica has become the master, caching goes on there."""
    with watched(tmp_path / "watched") as redis:
        addresses = ",".join(f"{host}:{port}" for host, port in redis.place.topology.sentinels)
        settings = {"REDIS_URL": "", "REDIS_SENTINELS": addresses, "REDIS_SENTINEL_MASTER": MASTER_NAME}
        with stage("ours", fill_delay=0.01, **settings) as scene, scene.sellers(6) as sellers:
            load = Load(scene.server.port, sellers, seed=0, readers=1, think=0.3)
            with load:
                assert wait_until(lambda: _everybody_hits(load, since=0), seconds=20)
                redis.master.kill()
                killed = time.monotonic()
                assert wait_until(lambda: _everybody_hits(load, since=killed), seconds=30)
                load.pause(1.0)
    stale = violations(load.history)
    assert not stale, "\n".join(map(str, stale[:5]))
    assert {each.status for each in load.history} <= {200, 201, 204}


def _everybody_hits(load: Load, *, since: float) -> bool:
    return all_served_hits(load.history, workers=WORKERS, since=since) < math.inf


def test_a_lease_that_outlives_its_deletion_fills_nothing_that_is_believed(tmp_path: Path) -> None:
    """The replica has the lease of a slow reader, but not its deletion by a writer who was answered before."""
    with watched(tmp_path / "watched") as redis:
        slow, quick = (engine(redis.place.topology, timing=Timing(), meet=False) for _ in range(2))
        replica = Redis.from_url(redis.replica.url)
        with fetching(slow, Computation("before")) as answers:
            assert wait_until(lambda: replica.getrange(KEY, 0, len(LEASE) - 1) == LEASE, seconds=5)
            _cut_off(redis)
            quick.end(KEY, quick.begin(KEY))
            assert quick.breaker.owed == 0
            redis.master.kill()
            redis.replica.resume()
            known = {Outcome.STORED, Outcome.HIT}
            assert wait_until(lambda: fetch(quick, Computation(), key="another").outcome in known, seconds=20)
        assert [answer.outcome for answer in answers] == [Outcome.STORED]
        assert fetch(quick, Computation("after")).value == "after"


def _cut_off(redis: Watched) -> None:
    """Let the replica miss all that happens from now on, and not know it before it is resumed."""
    redis.replica.pause()
    Redis.from_url(redis.master.url).client_kill_filter(_type="replica")
