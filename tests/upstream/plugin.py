"""A pytest plugin for the upstream suites: replaces their `Cache` and backend with ours.

`suites.run` loads it with `-p` into a separate pytest process. Environment variables name the replacement.
"""

import importlib
import json
import math
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import cachelib
import flask_caching
import pytest
from flask_caching import backends
from redis import Redis
from werkzeug.utils import import_string

from app.caching import incarnation

_BACKEND: Final = os.environ["UPSTREAM_BACKEND"]
_PORT: Final = int(os.environ["UPSTREAM_PORT"])
_WORST_LAST: Final = ("passed", "skipped", "failed")

_server: Final = Redis(port=_PORT)
_outcomes: Final[dict[str, str]] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Replace the classes before the first module of the suite imports them."""
    starter = ModuleType("xprocess")  # their conftest imports it to start servers; our server is already running
    starter.ProcessStarter = object  # type: ignore[attr-defined]
    sys.modules["xprocess"] = starter
    if _BACKEND:
        ours: Any = import_string(_BACKEND)
        vars(flask_caching)["Cache"] = importlib.import_module("app.caching").Cache
        vars(backends)["RedisCache"] = ours
        vars(cachelib)["RedisCache"] = _with_prefix(ours)
        vars(backends)[ours.__name__] = ours  # one test finds a backend by the name of its class
        # The engine bypasses values from before its first contact with the server; the suites' clock moves only expiry.
        vars(incarnation)["Incarnation"].record = _treat_server_as_known


@pytest.fixture(scope="session")
def xprocess() -> None:
    """Replace the fixture that starts servers. Tests request it but do not use it."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Empty Redis before each test."""
    _server.flushall()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
    """Configure our backend in their `app`, and make their `clock` also move the expiry of entries in Redis."""
    value = yield
    if fixturedef.argname == "app":
        value.config.update(CACHE_TYPE=_BACKEND or "RedisCache", CACHE_REDIS_PORT=_PORT)
    if fixturedef.argname == "clock":
        value.advance = _both(value.advance, _advance_expiry)
    return value


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record the worst outcome of each test's phases."""
    _outcomes[report.nodeid] = max(_outcomes.get(report.nodeid, "passed"), report.outcome, key=_WORST_LAST.index)


def pytest_sessionfinish() -> None:
    """Write the outcomes to the file that `suites.run` reads."""
    Path(os.environ["UPSTREAM_REPORT"]).write_text(json.dumps(_outcomes))


def _treat_server_as_known(server: incarnation.Incarnation, run_id: bytes) -> None:  # noqa: ARG001 - as `record`
    server.first_seen = -math.inf


def _with_prefix(ours: Any) -> type:  # noqa: ANN401 - a class
    """Return our backend with a default prefix: it requires one, and cachelib's tests give none."""

    class RedisCache(ours):  # type: ignore[misc]
        def __init__(self, *args: Any, key_prefix: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401
            super().__init__(*args, key_prefix=key_prefix or "upstream:", **kwargs)

    return RedisCache


def _both(first: Callable[[float], None], second: Callable[[float], None]) -> Callable[[float], None]:
    def advance(seconds: float) -> None:
        first(seconds)
        second(seconds)

    return advance


def _advance_expiry(seconds: float) -> None:
    """Reduce the TTL of every entry by `seconds`, and delete entries whose TTL has passed."""
    for key in list(_server.scan_iter()):
        left = _server.pttl(key)
        if left > seconds * 1000:
            _server.pexpire(key, left - round(seconds * 1000))
        elif left >= 0:
            _server.delete(key)
