"""A pytest plugin for the foreign suites: puts our `Cache` and our backend in place of theirs.

`suites.run` loads it with `-p` into a pytest of its own and tells it by the environment what to put in.
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

_BACKEND: Final = os.environ["FOREIGN_BACKEND"]
_PORT: Final = int(os.environ["FOREIGN_PORT"])
_WORST_LAST: Final = ("passed", "skipped", "failed")

_server: Final = Redis(port=_PORT)
_outcomes: Final[dict[str, str]] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Exchange the pieces before the first of their modules imports them."""
    starter = ModuleType("xprocess")  # their conftest imports it to start servers; ours runs already
    starter.ProcessStarter = object  # type: ignore[attr-defined]
    sys.modules["xprocess"] = starter
    if _BACKEND:
        ours: Any = import_string(_BACKEND)
        vars(flask_caching)["Cache"] = importlib.import_module("app.caching").Cache
        vars(backends)["RedisCache"] = ours
        vars(cachelib)["RedisCache"] = _with_prefix(ours)
        vars(backends)[ours.__name__] = ours  # one test looks a backend up by the name of its class
        # Values from before the engine first met its server are not believed; their clock only moves expiry.
        vars(incarnation)["Incarnation"].note = _meet_an_old_acquaintance


@pytest.fixture(scope="session")
def xprocess() -> None:
    """Stand in for the fixture that starts servers; it is asked for and not used."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let each test find Redis empty."""
    _server.flushall()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
    """Give their `app` our backend, and let their `clock` move the expiry of what is in Redis."""
    value = yield
    if fixturedef.argname == "app":
        value.config.update(CACHE_TYPE=_BACKEND or "RedisCache", CACHE_REDIS_PORT=_PORT)
    if fixturedef.argname == "clock":
        value.advance = _both(value.advance, _let_pass)
    return value


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the worst outcome of each test's phases."""
    _outcomes[report.nodeid] = max(_outcomes.get(report.nodeid, "passed"), report.outcome, key=_WORST_LAST.index)


def pytest_sessionfinish() -> None:
    """Write the outcomes down for `suites.run`."""
    Path(os.environ["FOREIGN_REPORT"]).write_text(json.dumps(_outcomes))


def _meet_an_old_acquaintance(met: incarnation.Incarnation, run_id: bytes) -> None:  # noqa: ARG001 - as `note`
    met.first_met = -math.inf


def _with_prefix(ours: Any) -> type:  # noqa: ANN401 - a class
    """Return our backend with a prefix where cachelib's tests give none: we require one."""

    class RedisCache(ours):  # type: ignore[misc]
        def __init__(self, *args: Any, key_prefix: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401
            super().__init__(*args, key_prefix=key_prefix or "foreign:", **kwargs)

    return RedisCache


def _both(first: Callable[[float], None], second: Callable[[float], None]) -> Callable[[float], None]:
    def advance(seconds: float) -> None:
        first(seconds)
        second(seconds)

    return advance


def _let_pass(seconds: float) -> None:
    """Bring the expiry of every entry closer by `seconds`; what is due is gone."""
    for key in list(_server.scan_iter()):
        left = _server.pttl(key)
        if left > seconds * 1000:
            _server.pexpire(key, left - round(seconds * 1000))
        elif left >= 0:
            _server.delete(key)
