"""Servers of the engine tests' own: they pause them, kill them and fill them up."""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from redis import Redis

from app.caching import Cache
from app.caching.protocol import LeaseProtocol
from local.valkey import ValkeyServer
from tests.caching.applications import Counted, application
from tests.caching.engines import PATIENT, Spy, engine
from tests.caching.places import PLACES, Place


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Place]]:
    """Return a function that starts the named kind of Redis the first time it is asked for."""
    with ExitStack() as running:
        yield functools.cache(lambda kind: running.enter_context(PLACES[kind](tmp_path_factory.mktemp("place"))))


@pytest.fixture
def place(request: pytest.FixtureRequest, places: Callable[[str], Place]) -> Place:
    """Lend one kind of Redis, empty: Valkey 9 unless the test is parametrized with others."""
    found = places(getattr(request, "param", "Valkey 9"))
    found.look().flushall()
    return found


@pytest.fixture
def protocol(place: Place) -> LeaseProtocol:
    """Return an engine on that place."""
    return engine(place.topology)


@pytest.fixture
def patient(place: Place) -> LeaseProtocol:
    """Return an engine on that place in which nobody gives up waiting."""
    return engine(place.topology, timeout=30, timing=PATIENT)


@pytest.fixture
def spy(place: Place) -> Spy:
    """Return eyes on that place."""
    return Spy(place.look)


@pytest.fixture(scope="session")
def engine_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One Valkey for all tests that break it."""
    with ValkeyServer(tmp_path_factory.mktemp("engine-valkey")) as server:
        yield server


@pytest.fixture
def valkey(engine_valkey: ValkeyServer) -> Iterator[ValkeyServer]:
    """Lend a Valkey, empty; a test may break it, it is mended afterwards."""
    if not engine_valkey.is_running():
        engine_valkey.restart()
    Redis.from_url(engine_valkey.url).flushall()
    yield engine_valkey
    if engine_valkey.is_running():
        engine_valkey.resume()


@pytest.fixture
def cache(protocol: LeaseProtocol) -> Iterator[Cache]:
    """Return the cache of an app, in its context."""
    app, cache = application(options={"protocol": protocol}, default_timeout=10)
    with app.app_context():
        yield cache


@pytest.fixture
def counted() -> Counted:
    """Return a counter of calls."""
    return Counted()
