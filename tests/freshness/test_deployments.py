"""Tests of the load on the other supported Redis deployments. Sentinels and Valkey 9 have their own tests."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from local.processes import wait_until
from tests.caching.deployments import DEPLOYMENTS
from tests.freshness.history import Kind, Operation, hits, violations
from tests.freshness.linearizability import judge, summary
from tests.freshness.load import Load
from tests.freshness.system import StartSystem

pytestmark = pytest.mark.proof


@pytest.mark.parametrize("kind", ["Redis 6.2", "Unix socket", "TLS", "cluster"])
def test_no_read_is_stale_on_any_deployment(start_system: StartSystem, tmp_path: Path, kind: str) -> None:
    """No request fails either."""
    (tmp_path / "redis").mkdir()
    with DEPLOYMENTS[kind](tmp_path / "redis") as deployment:
        settings = {"REDIS_URL": deployment.topology.url, "REDIS_CLUSTER": str(deployment.topology.cluster).lower()}
        with start_system("ours", fill_delay=0.02, **settings) as system, system.sellers(4) as sellers:
            load = Load(system.server.port, sellers, seed=0, readers=1, think_time=0.4)
            with load:
                assert wait_until(lambda: _is_enough(load.history), seconds=60), "the cache was hardly used"
    print(f"{kind}: {summary(judge(load.history))}")  # noqa: T201 - shown with -s
    stale = violations(load.history)
    assert not stale, "\n".join(map(str, stale[:5]))
    assert {each.status for each in load.history} <= {200, 201, 204}


def _is_enough(history: Sequence[Operation]) -> bool:
    return hits(history) > 60 and sum(each.done and each.kind is not Kind.READ for each in history) > 100
