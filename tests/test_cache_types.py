"""The application with the backends of Flask-Caching. It works without the freshness guarantee and logs this once."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from config import Settings
from local import ROOT
from local.application import AppServer
from local.stack import Stack
from tests.sellers import CACHE_STATUS, Seller, app_environment, make_operator, new_seller
from tests.visitors import new_visitor

TYPES = ("LeaseCache", "RedisCache", "SimpleCache", "NullCache")
SOURCE = {
    "LeaseCache": "From Redis, ",
    "RedisCache": "From Redis, ",
    "SimpleCache": "From the memory of this worker, ",
    "NullCache": "Fresh from the database: no Redis is configured.",
}


@contextmanager
def _served(stack: Stack, kind: str, log: Path) -> Iterator[Seller]:
    """Run an app with that backend and one worker, because SimpleCache is per process. Yield an operator of it."""
    environment = app_environment(stack, CACHE_TYPE=kind, CACHE_TTL="60")
    with AppServer(environment, workers=1, log=log) as server, new_seller(stack.supabase, server.url) as someone:
        make_operator(stack.supabase, someone)
        yield someone


@pytest.mark.parametrize("kind", TYPES)
def test_the_application_runs_on_each_backend(stack: Stack, tmp_path: Path, kind: str) -> None:
    """Reads, changes, every diagnostics endpoint and the desk work."""
    log = tmp_path / "gunicorn.log"
    with _served(stack, kind, log) as someone:
        first, second = someone.reads_stats(), someone.reads_stats()
        assert first.json() == second.json()
        hit = "fwd=bypass; detail=no-redis" if kind == "NullCache" else "hit"
        assert second.headers["Cache-Status"].startswith(f"asin-stats; {hit}")

        someone.creates(title="A", asin="B000000001")
        assert someone.stats()["all"] == first.json()["all"] + 1, "the worker that made the change sees it"

        status = someone.cache_status()
        assert status["redis"]["enabled"] is status["redis"]["connected"] is (kind in {"LeaseCache", "RedisCache"})
        assert status["user_cached"] is (kind != "NullCache")
        assert (status["app"] is not None) is (kind == "LeaseCache")
        for path in ("/diagnostics/redis", "/readyz", "/healthz", "/metrics", "/products", CACHE_STATUS):
            assert someone.http.get(path).status_code == 200, path
        with new_visitor(str(someone.http.base_url)) as visitor:
            visitor.signs_in(someone)
            assert SOURCE[kind] in visitor.page
    startup_lines = [line for line in log.read_text().splitlines() if "app.startup" in line]
    assert len(startup_lines) == 1
    words = {"LeaseCache": "Redis connected successfully", "NullCache": "CACHE_TYPE is NullCache: nothing"}
    assert words.get(kind, f"CACHE_TYPE is {kind}: numbers may be older") in startup_lines[0]


@pytest.mark.parametrize("kind", TYPES)
def test_the_commands_run_on_each_backend(stack: Stack, tmp_path: Path, kind: str) -> None:
    """`flask cache status` and `flask cache flush`. Without a cache, each prints one line."""

    def flask(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            [Path(sys.executable).with_name("flask"), "--app", ROOT / "wsgi.py", "cache", *arguments],
            env=app_environment(stack, CACHE_TYPE=kind), cwd=tmp_path, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    status, flushed = flask("status", "--user", "0" * 32), flask("flush", "--all", "--yes")
    if kind == "NullCache":
        assert (status.returncode, flushed.returncode) == (1, 1)
        assert "No Redis is configured" in status.stderr
        return
    assert (status.returncode, flushed.returncode) == (0, 0), status.stderr + flushed.stderr
    assert re.search(r"^state +(absent|value)$", status.stdout, re.MULTILINE)
    assert re.fullmatch(
        r"\d+ (entry|entries) dropped\n" if kind == "LeaseCache" else "all entries dropped\n", flushed.stdout
    )


@pytest.mark.parametrize(
    ("settings", "backend"),
    [
        ({}, "NullCache"),
        ({"redis_url": "redis://h"}, "LeaseCache"),
        ({"redis_sentinels": "h:1", "redis_sentinel_master": "m"}, "LeaseCache"),
        ({"redis_url": "redis://h", "cache_type": "NullCache"}, "NullCache"),
        ({"cache_type": "SimpleCache"}, "SimpleCache"),
        ({"cache_type": "LeaseCache"}, None),
        ({"cache_type": "RedisCache"}, None),
        ({"redis_url": "redis://h", "redis_cluster": True, "cache_type": "RedisCache"}, None),
        ({"redis_url": "redis://h", "cache_type": "MemcachedCache"}, None),
    ],
)
def test_cache_type_selects_the_backend_and_must_match_the_redis_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, object], backend: str | None
) -> None:
    """The default is LeaseCache with a Redis and NullCache without. A backend without its Redis is a mistake."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    given = {"supabase_url": "https://x.supabase.co", "supabase_key": "x", **settings}
    if backend is None:
        with pytest.raises(ValidationError, match="cache_type"):
            Settings.model_validate(given)
    else:
        assert Settings.model_validate(given).cache_backend == backend
