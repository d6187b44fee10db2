"""The same load on every kind of Redis we promise to serve; sentinels and Valkey 9 have tests of their own."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from local.processes import wait_until
from tests.caching.places import PLACES
from tests.freshness.history import Kind, Operation, hits, violations
from tests.freshness.load import Load
from tests.freshness.scene import Stage

pytestmark = pytest.mark.proof


@pytest.mark.parametrize("kind", ["Redis 6.2", "Unix socket", "TLS", "cluster"])
def test_no_read_is_stale_wherever_the_cache_is(stage: Stage, tmp_path: Path, kind: str) -> None:
    """Nor does any request fail."""
    (tmp_path / "place").mkdir()
    with PLACES[kind](tmp_path / "place") as place:
        settings = {"REDIS_URL": place.topology.url, "REDIS_CLUSTER": str(place.topology.cluster).lower()}
        with stage("ours", fill_delay=0.02, **settings) as scene, scene.sellers(4) as sellers:
            load = Load(scene.server.port, sellers, seed=0, readers=1, think=0.4)
            with load:
                assert wait_until(lambda: _is_enough(load.history), seconds=60), "the cache was hardly used"
    stale = violations(load.history)
    assert not stale, "\n".join(map(str, stale[:5]))
    assert {each.status for each in load.history} <= {200, 201, 204}


def _is_enough(history: Sequence[Operation]) -> bool:
    return hits(history) > 60 and sum(each.done and each.kind is not Kind.READ for each in history) > 100
