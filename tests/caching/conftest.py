"""A Valkey of the engine tests' own: they pause it, kill it and fill it up."""

from collections.abc import Iterator

import pytest

from app.caching.protocol import LeaseProtocol
from local.valkey import ValkeyServer
from tests.caching.engines import Spy, engine


@pytest.fixture(scope="session")
def engine_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One Valkey for all engine tests."""
    with ValkeyServer(tmp_path_factory.mktemp("engine-valkey")) as server:
        yield server


@pytest.fixture
def valkey(engine_valkey: ValkeyServer) -> Iterator[ValkeyServer]:
    """Lend the engine tests' Valkey, empty; a test may break it, it is mended afterwards."""
    if not engine_valkey.is_running():
        engine_valkey.restart()
    Spy(engine_valkey.url).redis.flushall()
    yield engine_valkey
    if engine_valkey.is_running():
        engine_valkey.resume()


@pytest.fixture
def protocol(valkey: ValkeyServer) -> LeaseProtocol:
    """Return an engine on that Valkey."""
    return engine(valkey.url)


@pytest.fixture
def spy(valkey: ValkeyServer) -> Spy:
    """Eyes on that Valkey."""
    return Spy(valkey.url)
