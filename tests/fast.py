"""A pytest plugin that selects the fast tests: `make check` runs pytest with `-p tests.fast`.

A test is fast if it starts neither Supabase nor PostgreSQL, and is not a proof. These servers are fixtures of
`tests/conftest.py`, so a new test is classified by what it uses. The files below start such servers by themselves, or
take long for another reason.
"""

from typing import Final

import pytest

SLOW_FIXTURES: Final = frozenset({"stack", "postgres"})
SLOW_FILES: Final = frozenset({
    "test_benchmarks.py",
    "test_demo.py",
    "test_local_run.py",
    "test_local_servers.py",
    "test_migrations.py",
    "test_postgres.py",
})  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the slow tests."""
    slow = [item for item in items if not is_fast(item)]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if is_fast(item)]


def is_fast(item: pytest.Item) -> bool:
    """Return whether `make check` runs this test."""
    fixtures = set(getattr(item, "fixturenames", ()))
    is_proof = item.get_closest_marker("proof") is not None
    return not (is_proof or fixtures & SLOW_FIXTURES or item.path.name in SLOW_FILES)
