"""Tests of Flask-Caching's settings for Redis, on real servers. An invalid setting raises one clear error."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask_caching
import pytest
from cachelib.serializers import JSONSerializer
from flask import Flask
from redis import Redis, RedisCluster, Sentinel

from app.caching import Cache, LeaseCache
from app.caching.configuration import RedisSettings, topology_of
from app.caching.protocol import LeaseProtocol
from local.server import LOOPBACK
from local.valkey import ValkeyServer
from tests.caching.applications import application
from tests.caching.deployments import MASTER_NAME, Deployment

_PASSWORD = "a:b/c@d#e?f%g"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Run a Valkey whose password needs escaping in a URL."""
    directory = tmp_path_factory.mktemp("valkey")
    options = ("--requirepass", _PASSWORD, "--unixsocket", str(directory / "socket"))
    with ValkeyServer(directory, options=options) as running:
        yield running


def _client(server: ValkeyServer, db: int, **options: Any) -> Redis:  # noqa: ANN401 - options of redis-py
    return Redis(host=LOOPBACK, port=server.port, password=_PASSWORD, db=db, **options)


def _works(settings: dict[str, Any], client: Redis) -> bool:
    """Return whether an app with these settings stores a value where `client` finds it."""
    client.flushall()
    app, cache = application(**settings)
    with app.app_context():
        assert cache.set("key", 1)
        assert cache.report().server.connected
    return bool(client.get("test:key") == b"1")


def test_connects_with_host_port_password_and_database(server: ValkeyServer) -> None:
    """As in RedisCache."""
    parts = {"redis_host": LOOPBACK, "redis_port": server.port, "redis_password": _PASSWORD, "redis_db": 3}
    assert _works(parts, _client(server, 3))


@pytest.mark.parametrize("decode_responses", [False, True])
def test_redis_client_replaces_the_host(server: ValkeyServer, *, decode_responses: bool) -> None:
    """The engine uses the client's server and credentials, but not its decoding of replies."""
    client = _client(server, 4, decode_responses=decode_responses)
    assert _works({"redis_host": client}, _client(server, 4))


@pytest.mark.parametrize(
    ("url", "settings", "db"),
    [
        ("redis://{host}:{port}", {"redis_password": _PASSWORD, "redis_db": 3}, 3),
        ("redis://{host}:{port}/2", {"redis_password": _PASSWORD, "redis_db": 3}, 2),
        ("redis://:a%3Ab%2Fc%40d%23e%3Ff%25g@{host}:{port}/2", {"redis_password": "other"}, 2),
        ("unix://{socket}", {"redis_password": _PASSWORD, "redis_db": 3}, 3),
        ("unix://{socket}?db=2", {"redis_password": _PASSWORD, "redis_db": 3}, 2),
    ],
)
def test_url_takes_precedence_over_the_other_settings(
    server: ValkeyServer, url: str, settings: dict[str, Any], db: int
) -> None:
    """They are used only for parts that the URL does not contain."""
    with _client(server, 0) as client:
        socket = client.config_get("unixsocket")["unixsocket"]
    address = url.format(host=LOOPBACK, port=server.port, socket=socket)
    assert _works({"redis_url": address, **settings}, _client(server, db))


@pytest.mark.parametrize("deployment", ["sentinels"], indirect=True)
def test_connects_through_sentinels(deployment: Deployment) -> None:
    """CACHE_REDIS_SENTINELS and CACHE_REDIS_SENTINEL_MASTER."""
    settings = {"redis_sentinels": deployment.topology.sentinels, "redis_sentinel_master": MASTER_NAME}
    assert _works(settings, deployment.make_client())


@pytest.mark.parametrize("deployment", ["cluster"], indirect=True)
def test_connects_to_a_cluster(deployment: Deployment) -> None:
    """CACHE_REDIS_CLUSTER is a list of host:port separated by commas; the first node may be down."""
    client: RedisCluster = deployment.make_client()
    nodes = [f"{node.host}:{node.port}" for node in client.get_primaries()]  # type: ignore[no-untyped-call]
    assert _works({"redis_cluster": ",".join([f"{LOOPBACK}:1", *nodes])}, deployment.make_client())


def test_sentinel_settings_reach_the_topology() -> None:
    """Also the passwords of master and sentinels, and the database number."""
    place = RedisSettings(sentinels=[("a", 1), ("b", 2)], password="x", sentinel_password="y", db=5)
    topology = topology_of(place)
    assert (topology.sentinels, topology.master) == ([("a", 1), ("b", 2)], "mymaster")
    assert (topology.password, topology.sentinel_password, topology.db) == ("x", "y", 5)


def _sentinel_client() -> Redis:
    client: Redis = Sentinel([(LOOPBACK, 1)]).master_for("mymaster")  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    return client


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"key_prefix": ""}, "CACHE_KEY_PREFIX must be"),
        ({"key_prefix": lambda: "x:"}, "CACHE_KEY_PREFIX must be"),
        ({"redis_url": "redis://h:1/0?decode_responses=true"}, "must not say decode_responses"),
        ({"redis_url": "http://h"}, "CACHE_REDIS_URL must start with"),
        ({"redis_host": _sentinel_client()}, "client of a single server"),
        ({"options": {"max_connections": 2}}, "at least 3 connections"),
        ({"redis_cluster": "h,i"}, "CACHE_REDIS_CLUSTER must be"),
        ({"serializer": JSONSerializer()}, "CACHE_SERIALIZER cannot be set"),
        ({"options": {"pool": 3}}, r"CACHE_OPTIONS has no \['pool'\]"),
        ({"default_timeout": -1}, "negative"),
        ({"options": {"check_connection": True}, "redis_port": 1}, "could not connect"),
    ],
)
def test_invalid_setting_raises_an_error_that_names_it(settings: dict[str, Any], words: str) -> None:
    """ValueError, TypeError or RuntimeError, raised when the cache is created."""
    with pytest.raises((ValueError, TypeError, RuntimeError), match=words):
        application(**settings)


def test_cache_options_reach_the_engine(server: ValkeyServer) -> None:
    """Timeouts in seconds and the number of connections."""
    options = {"max_connections": 3, "timeout": 1.5, "read_timeout": 0.5, "lease": 9.0, "wait": 3.0, "writer": 40.0}
    app, cache = application(redis_host=_client(server, 0), options=options, default_timeout=500)
    with app.app_context():
        assert cache.report().pool == {"max_connections": 3}
        timing = cache.cache.protocol.timing  # type: ignore[attr-defined]  # Flask-Caching says SimpleCache
    assert (timing.lease, timing.wait, timing.writer) == (9.0, 3.0, 40.0)
    assert timing.owed >= 509


def test_backend_works_with_flask_cachings_own_cache(protocol: LeaseProtocol) -> None:
    """CACHE_TYPE names it. Only our `Cache` class adds the freshness guarantee."""
    app, cache = Flask(__name__), flask_caching.Cache()
    config = {"CACHE_TYPE": "app.caching.LeaseCache", "CACHE_OPTIONS": {"protocol": protocol}}
    cache.init_app(app, config=config)

    @cache.memoize()
    def double(number: int) -> int:
        return 2 * number

    with app.app_context():
        assert (double(2), double(2), isinstance(cache.cache, LeaseCache)) == (4, 4, True)


def test_positional_arguments_match_rediscache(server: ValkeyServer) -> None:
    """Through CACHE_ARGS, and in a direct call of the constructor."""
    backend = LeaseCache(LOOPBACK, server.port, _PASSWORD, 2, 10, "test:")
    assert backend.set("key", "direct")
    app = Flask(__name__)
    config = {"CACHE_TYPE": "app.caching.LeaseCache", "CACHE_KEY_PREFIX": "test:"}
    cache = Cache(app, config={**config, "CACHE_ARGS": [LOOPBACK, server.port, _PASSWORD, 2]})
    with app.app_context():
        assert cache.get("key") == "direct"


def test_creating_a_cache_uses_no_network_and_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens at the configured port, and the working directory stays empty."""
    monkeypatch.chdir(tmp_path)
    application(redis_port=1)
    assert not list(tmp_path.iterdir())
