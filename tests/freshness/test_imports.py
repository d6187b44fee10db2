"""Test of the load while imports run: each batch is a change of its own, and other sessions of the seller read."""

from typing import Final

import pytest

from local.processes import wait_until
from tests.freshness.history import Kind, hits, violations
from tests.freshness.linearizability import judge, summary
from tests.freshness.load import Load
from tests.freshness.system import StartSystem

pytestmark = pytest.mark.proof
_IMPORTED: Final = 5_000


def test_no_read_is_stale_while_imports_run(start_system: StartSystem) -> None:
    """No request fails either."""
    with start_system("ours", fill_delay=0.01) as system, system.sellers(2) as sellers:
        load = Load(system.server.port, sellers, seed=0, writers=1, readers=2, importers=2, think_time=0.2)
        with load:
            assert wait_until(lambda: _imported(load) > _IMPORTED, seconds=60)
    print(f"{hits(load.history)} hits; {summary(judge(load.history))}")  # noqa: T201 - shown with -s
    stale = violations(load.history)
    assert not stale, "\n".join(map(str, stale[:5]))
    assert {each.status for each in load.history} <= {200, 201, 204}


def _imported(load: Load) -> int:
    return sum(each.amount for each in load.history if each.kind is Kind.CREATE and each.done)
