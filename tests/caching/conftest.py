"""Fixtures of the engine tests: Redis servers that tests may pause, kill and fill, and engines that use them."""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from redis import Redis

from app.caching import Cache
from app.caching.protocol import LeaseProtocol
from local.valkey import ValkeyServer
from tests.caching.applications import CallRecorder, application
from tests.caching.deployments import DEPLOYMENTS, Deployment
from tests.caching.engines import LONG_TIMING, Spy, engine


@pytest.fixture(scope="session")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Deployment]]:
    """Return a function that starts the named Redis deployment at its first call and reuses it afterwards."""
    with ExitStack() as running:
        yield functools.cache(
            lambda kind: running.enter_context(DEPLOYMENTS[kind](tmp_path_factory.mktemp("deployment")))
        )


@pytest.fixture
def deployment(request: pytest.FixtureRequest, deployments: Callable[[str], Deployment]) -> Deployment:
    """Return an empty Redis deployment: Valkey 9, unless the test is parametrized with another."""
    found = deployments(getattr(request, "param", "Valkey 9"))
    found.make_client().flushall()
    return found


@pytest.fixture
def protocol(deployment: Deployment) -> LeaseProtocol:
    """Return an engine that uses `deployment`."""
    return engine(deployment.topology)


@pytest.fixture
def patient_protocol(deployment: Deployment) -> LeaseProtocol:
    """Return an engine that uses `deployment` and has timeouts too long to occur in a test."""
    return engine(deployment.topology, timeout=30, timing=LONG_TIMING)


@pytest.fixture
def spy(deployment: Deployment) -> Spy:
    """Return a client that inspects `deployment` directly."""
    return Spy(deployment.make_client)


@pytest.fixture(scope="session")
def engine_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Run one Valkey for all tests that need to break it."""
    with ValkeyServer(tmp_path_factory.mktemp("engine-valkey")) as server:
        yield server


@pytest.fixture
def valkey(engine_valkey: ValkeyServer) -> Iterator[ValkeyServer]:
    """Return an empty Valkey that the test may pause or kill; the fixture repairs it afterwards."""
    if not engine_valkey.is_running():
        engine_valkey.restart()
    Redis.from_url(engine_valkey.url).flushall()
    yield engine_valkey
    if engine_valkey.is_running():
        engine_valkey.resume()


@pytest.fixture
def cache(protocol: LeaseProtocol) -> Iterator[Cache]:
    """Return the cache of an app, inside an app context."""
    app, cache = application(options={"protocol": protocol}, default_timeout=10)
    with app.app_context():
        yield cache


@pytest.fixture
def recorder() -> CallRecorder:
    """Return a callable that records its calls."""
    return CallRecorder()
