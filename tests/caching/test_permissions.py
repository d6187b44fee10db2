"""A Redis user who lacks a permission that the scripts need: the trouble has its name on every server."""

from collections.abc import Callable, Iterator
from typing import Final

import pytest
from redis import Redis

from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.valkey import ValkeyServer
from tests.caching.engines import KEY, Computation, engine, fetch
from tests.caching.places import Redis62Server

_COMMANDS: Final = ("+ping", "+info", "+evalsha", "+eval", "+get", "+set", "+unlink", "+time", "+pttl")


@pytest.fixture(scope="module", params=[ValkeyServer, Redis62Server], ids=["Valkey 9", "Redis 6.2"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Run one of the servers."""
    with request.param(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def without(server: ValkeyServer) -> Iterator[Callable[[str], LeaseProtocol]]:
    """Return a function that makes an engine whose user lacks one command."""
    with Redis.from_url(server.url) as admin:
        admin.flushall()

        def make(missing: str) -> LeaseProtocol:
            commands = [command for command in _COMMANDS if command != missing]
            admin.acl_setuser("weak", enabled=True, reset=True, passwords=["+weak"], keys=["*"], commands=commands)
            return engine(server.url.replace("//", "//weak:weak@"))

        yield make
        admin.acl_deluser("weak")


@pytest.mark.parametrize("missing", ["+get", "+set"])
def test_a_read_that_is_denied_inside_its_script_is_a_denial(
    without: Callable[[str], LeaseProtocol], missing: str
) -> None:
    """Not an unexpected error, and not somebody else's data at the key."""
    weak = without(missing)
    answer = fetch(weak, Computation(7))
    assert (answer.value, answer.outcome, answer.detail) == (7, Outcome.BYPASS, "redis-permission")


def test_a_hit_that_is_denied_inside_its_script_is_a_denial(
    without: Callable[[str], LeaseProtocol], server: ValkeyServer
) -> None:
    """The script needs to know how long the value will live."""
    weak = without("+pttl")
    with Redis.from_url(server.url) as admin:
        admin.set(KEY, "7", px=9_000)
    answer = fetch(weak, Computation(8))
    assert (answer.value, answer.outcome, answer.detail) == (8, Outcome.BYPASS, "redis-permission")


@pytest.mark.parametrize("missing", ["+get", "+time"])
def test_a_denied_writer_erases_no_other_writer(
    without: Callable[[str], LeaseProtocol], server: ValkeyServer, missing: str
) -> None:
    """Who may not read the tombstone leaves it alone, when beginning and when ending; the end is owed."""
    weak = without(missing)
    with Redis.from_url(server.url) as admin:
        admin.set(KEY, "dirty:other@99999999999999", px=9_000)
        token = weak.begin(KEY)
        weak.end(KEY, token)
        assert admin.get(KEY) == b"dirty:other@99999999999999"
    counts = weak.region.counts()
    assert (counts["begin-failed"], counts["owed"], counts["error:other"]) == (1, 1, 0)
    assert counts["error:permission"] >= 2
