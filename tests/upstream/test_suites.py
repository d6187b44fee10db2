"""Upstream test suites: Flask-Caching's and cachelib's tests pass against this engine, except for named differences.

The suites come from the source distributions of the installed releases; see `suites`.
"""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from local.valkey import ValkeyServer
from tests.upstream.differences import CACHELIB, FLASK_CACHING, FLASK_CACHING_MIXED, FLASK_CACHING_STOCK, Differences
from tests.upstream.suites import Results, Suite, run

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]

_OURS: Final = "app.caching.LeaseCache"
_THEIRS: Final = "flask_caching.backends.RedisCache"
_FLASK_CACHING: Final = Suite(
    project="flask-caching",
    version="2.5.1",
    sha256="f75b451fde3faac0e278da72263818134deca8c4ba6bb07b9b3b238991368dae",
    tests=("tests",),
    deselected=(
        *(f"tests/test_backend_cache.py::Test{backend}Cache" for backend in ("Simple", "FileSystem", "Memcached")),
        "tests/test_init.py::test_init_nullcache[MemcachedCache]",  # needs a client library
        "tests/test_view.py::test_async_cached_view",  # needs Flask's extra `async`
    ),
)
_CACHELIB: Final = Suite(
    project="cachelib",
    version="0.17.0",
    sha256="f3c7dc8d3c1132ab699681ffdf8a52d341d9425ac1401c538cf0b1d87b1677c8",
    tests=("tests/test_redis_cache.py",),
)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Run a separate Valkey, because the suites empty it."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.mark.parametrize("suite", [_FLASK_CACHING, _CACHELIB], ids=lambda suite: suite.project)
def test_suites_match_the_installed_releases(suite: Suite) -> None:
    """An update of a dependency requires an update of its suite."""
    assert version(suite.project) == suite.version


def test_flask_cachings_suite_passes(valkey: ValkeyServer, tmp_path: Path) -> None:
    """The tests of decorators, views and backends, with our `Cache` and backend."""
    _compare(run(_FLASK_CACHING, tmp_path, port=valkey.port, backend=_OURS), FLASK_CACHING)


def test_flask_cachings_suite_passes_with_our_cache_on_its_own_backend(valkey: ValkeyServer, tmp_path: Path) -> None:
    """The `Cache` of app.caching with CACHE_TYPE = "RedisCache"."""
    _compare(run(_FLASK_CACHING, tmp_path, port=valkey.port, backend=_THEIRS), FLASK_CACHING_MIXED)


def test_cachelibs_suite_passes(valkey: ValkeyServer, tmp_path: Path) -> None:
    """The tests that cachelib runs against its RedisCache."""
    _compare(run(_CACHELIB, tmp_path, port=valkey.port, backend=_OURS), CACHELIB)


def test_flask_cachings_suite_passes_with_its_own_cache_and_backend(valkey: ValkeyServer, tmp_path: Path) -> None:
    """Only tests that need SimpleCache fail, so the other differences are not caused by how we run the suite."""
    _compare(run(_FLASK_CACHING, tmp_path, port=valkey.port), FLASK_CACHING_STOCK)


def _compare(results: Results, differences: Differences) -> None:
    """Check that exactly the named tests fail and that all other tests ran."""
    named = {name: _matching(name, results.outcomes) for names in differences.values() for name in names}
    failed, expected = results.having("failed"), set().union(*named.values())
    assert not failed - expected, f"these fail and are not named: {sorted(failed - expected)}\n{results.output}"
    assert not expected - failed, f"these are named and do not fail: {sorted(expected - failed)}"
    assert all(named.values()), f"there are no such tests: {[name for name, tests in named.items() if not tests]}"
    skipped = {test for test in results.having("skipped") if "py314" not in test}
    assert not skipped, "only tests of a newer Python may be skipped"


def _matching(name: str, tests: Iterable[str]) -> set[str]:
    pattern = re.compile(re.escape(name).replace(re.escape("*"), ".*"))
    return {test for test in tests if pattern.fullmatch(test)}
