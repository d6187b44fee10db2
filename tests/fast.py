"""A pytest plugin that selects the fast tests. `make check` runs pytest with `-p tests.fast`.

A test is fast unless one of these is true:

- It is a proof.
- It starts Supabase or PostgreSQL. These servers are fixtures, so a new test is classified by its fixtures.
- It repeats a test of the cache engine on another deployment of Redis than a single Valkey.
- It is in one of the files below, which start servers or processes by themselves, or take long for another reason.
"""

from typing import Final

import pytest

SLOW_FIXTURES: Final = frozenset({"stack", "postgres"})
FAST_DEPLOYMENT: Final = "Valkey 9"
SLOW_FILES: Final = frozenset({
    "test_audit.py",
    "test_benchmarks.py",
    "test_commands.py",
    "test_demo.py",
    "test_hostile_files.py",
    "test_interleavings.py",
    "test_local_run.py",
    "test_local_servers.py",
    "test_migrations.py",
    "test_outage.py",
    "test_owed_deletes.py",
    "test_postgres.py",
    "test_random_tampering.py",
    "test_sentinel_failover.py",
    "test_shared.py",
    "test_store_model.py",
    "test_use_the_engine.py",
})  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the slow tests."""
    slow = [item for item in items if not is_fast(item)]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if is_fast(item)]


def is_fast(item: pytest.Item) -> bool:
    """Return whether `make check` runs this test."""
    fixtures = set(getattr(item, "fixturenames", ()))
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    is_proof = item.get_closest_marker("proof") is not None
    is_elsewhere = parameters.get("deployment", FAST_DEPLOYMENT) != FAST_DEPLOYMENT
    return not (is_proof or is_elsewhere or fixtures & SLOW_FIXTURES or item.path.name in SLOW_FILES)
