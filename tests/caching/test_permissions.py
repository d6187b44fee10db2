"""Tests of a Redis user without a permission that the scripts need: every server's error is recognised."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import pytest
from redis import Redis

from app.caching import LeaseCache
from app.caching.protocol import LeaseProtocol
from app.caching.states import Outcome
from local.valkey import ValkeyServer
from tests.caching.deployments import Deployment, Redis62Server
from tests.caching.engines import KEY, Computation, engine, fetch

_COMMANDS: Final = ("+ping", "+info", "+evalsha", "+eval", "+get", "+set", "+unlink", "+time", "+pttl")


@pytest.fixture(scope="module", params=[ValkeyServer, Redis62Server], ids=["Valkey 9", "Redis 6.2"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Run the newest or the oldest server."""
    with request.param(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def without(server: ValkeyServer) -> Iterator[Callable[[str], LeaseProtocol]]:
    """Return a function that creates an engine whose Redis user lacks one command."""
    with Redis.from_url(server.url) as admin:
        admin.flushall()

        def make(missing: str) -> LeaseProtocol:
            commands = [command for command in _COMMANDS if command != missing]
            admin.acl_setuser("weak", enabled=True, reset=True, passwords=["+weak"], keys=["*"], commands=commands)
            return engine(server.url.replace("//", "//weak:weak@"))

        yield make
        admin.acl_deluser("weak")


@pytest.mark.parametrize("missing", ["+get", "+set"])
def test_read_denied_inside_its_script_is_a_permission_error(
    without: Callable[[str], LeaseProtocol], missing: str
) -> None:
    """It is not classified as an unexpected error or as foreign data at the key."""
    weak = without(missing)
    answer = fetch(weak, Computation(7))
    assert (answer.value, answer.outcome, answer.detail) == (7, Outcome.BYPASS, "redis-permission")


def test_hit_denied_inside_its_script_is_a_permission_error(
    without: Callable[[str], LeaseProtocol], server: ValkeyServer
) -> None:
    """The script needs PTTL for the remaining lifetime of the value."""
    weak = without("+pttl")
    with Redis.from_url(server.url) as admin:
        admin.set(KEY, "7", px=9_000)
    answer = fetch(weak, Computation(8))
    assert (answer.value, answer.outcome, answer.detail) == (8, Outcome.BYPASS, "redis-permission")


@pytest.mark.parametrize("missing", ["+get", "+time"])
def test_denied_writer_does_not_remove_other_writers(
    without: Callable[[str], LeaseProtocol], server: ValkeyServer, missing: str
) -> None:
    """A writer that may not read the entry does not change it, neither in begin nor in end. The end is owed."""
    weak = without(missing)
    with Redis.from_url(server.url) as admin:
        admin.set(KEY, "write:closed other@99999999999999 0 0 ", px=9_000)
        token = weak.begin(KEY)
        weak.end(KEY, token)
        assert admin.get(KEY) == b"write:closed other@99999999999999 0 0 "
    counts = weak.region.counts()
    assert (counts["begin-failed"], counts["owed"], counts["error:other"]) == (1, 1, 0)
    assert counts["error:permission"] >= 2


def test_deleting_one_key_needs_no_permission_to_load_scripts(
    without: Callable[[str], LeaseProtocol], server: ValkeyServer
) -> None:
    """Only deleting several keys at once loads a script."""
    weak = LeaseCache(protocol=without(""), key_prefix="asin_stats:")
    name = KEY.removeprefix("asin_stats:")
    with Redis.from_url(server.url) as admin:
        admin.set(KEY, "7", px=9_000)
        assert (weak.delete(name), weak.delete(name), admin.exists(KEY)) == (True, False, 0)


@pytest.mark.parametrize("deployment", ["cluster"], indirect=True)
def test_documented_permissions_for_a_cluster_suffice(deployment: Deployment) -> None:
    """No node denies a command while entries on all nodes are stored, invalidated and deleted."""
    nodes = [node.redis_connection for node in deployment.make_client().get_nodes()]
    rules = (*_COMMANDS, "+cluster|slots", "+command")
    for node in nodes:
        node.acl_setuser("weak", enabled=True, reset=True, passwords=["+weak"], keys=["*"], commands=rules)
        node.acl_log_reset()
    weak = engine(replace(deployment.topology, url=deployment.topology.url.replace("//", "//weak:weak@")))
    keys = [f"asin_stats:{number}" for number in range(9)]
    assert {fetch(weak, Computation(7), key=key).outcome for key in keys} == {Outcome.STORED}
    weak.end(keys[0], weak.begin(keys[0]))
    assert weak.drop([key.encode() for key in keys]) == 8
    assert [node.acl_log() for node in nodes] == [[], [], []]
