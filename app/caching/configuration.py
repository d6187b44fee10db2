"""From Flask-Caching's settings to a ready protocol. Each wrong setting raises one clear error at startup."""

import datetime as dt
import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from flask_caching.utils import normalize_timeout

from app.caching.connection import Observe, Topology, connect
from app.caching.policy import Timing
from app.caching.protocol import LeaseProtocol
from app.caching.shared import region_of

Timeout = int | dt.timedelta | None
"""A timeout as Flask-Caching accepts it: seconds, or None for the default."""


def seconds_of(timeout: Timeout, default: int) -> int:
    """Return a timeout in whole seconds, rounded up. Raises ValueError for a negative one."""
    seconds = default if timeout is None else math.ceil(normalize_timeout(timeout) or 0)
    if seconds < 0:
        raise ValueError(f"a timeout must not be negative: {timeout}")
    return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """The address of Redis as given by the settings CACHE_REDIS_…; each field has the name of its setting."""

    url: str | None = None
    host: Any = "localhost"
    port: int = 6379
    password: str | None = None
    db: int = 0
    sentinels: Sequence[tuple[str, int]] = ()
    sentinel_master: str = "mymaster"
    sentinel_password: str | None = None
    cluster: str | bool = ""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read the settings CACHE_REDIS_…. A setting that is missing or None has Flask-Caching's default."""
        settings = {name: config.get(f"CACHE_REDIS_{name.upper()}") for name in inspect.signature(cls).parameters}
        return cls(**{name: value for name, value in settings.items() if value is not None})


def configured_protocol(settings: RedisSettings, *, longest_ttl: float, options: Mapping[str, Any]) -> LeaseProtocol:
    """Return the protocol for the Redis of `settings`, with the `options` of `open_protocol` (CACHE_OPTIONS).

    Raises:
        ValueError: a setting is invalid.
        TypeError: an option does not exist.

    """
    known = set(inspect.signature(open_protocol).parameters) - {"topology", "longest_ttl"}
    if unknown := set(options) - known:
        raise TypeError(f"CACHE_OPTIONS has no {sorted(unknown)}; there are {sorted(known)}")
    return open_protocol(topology_of(settings), longest_ttl=longest_ttl, **options)


def open_protocol(  # noqa: PLR0913 - the options of CACHE_OPTIONS, each with its default
    topology: Topology,
    *,
    longest_ttl: float,
    max_connections: int = 10,
    timeout: float = 2.0,
    read_timeout: float = 0.03,
    lease: float = 5.0,
    wait: float = 2.0,
    writer: float = 30.0,
    overlap: float = 1.0,
    observe: Observe | None = None,
) -> LeaseProtocol:
    """Return the protocol for the Redis at `topology`. Nothing is sent before the first command.

    Args:
        topology: the address of Redis.
        longest_ttl: the longest lifetime of an entry, in seconds.
        max_connections: limit for this process, at least 3; see `connection.connect`.
        timeout: seconds for connecting and for the reply to a writer.
        read_timeout: seconds that a reader waits for Redis before it computes the value.
        lease: seconds that a reader may compute before another reader may.
        wait: seconds that a reader waits for the result of another reader.
        writer: maximum seconds between begin and end of a change.
        overlap: seconds after the begin of a change for which readers are answered with the previous value.
        observe: wraps the function that sends commands, for tracing; see `connection.connect`.

    Raises:
        ValueError: the connections cannot be configured like this.
        RuntimeError: the shared memory of the processes cannot be created.

    """
    link = connect(
        topology, max_connections=max_connections, timeout=timeout, read_timeout=read_timeout, observe=observe
    )
    timing = Timing(lease=lease, wait=wait, writer=writer, overlap=overlap, owed=max(30.0, lease + longest_ttl))
    return LeaseProtocol(link, region=region_of(_server_name(topology)), timing=timing)


def topology_of(settings: RedisSettings) -> Topology:
    """Convert the settings to a topology. Raises ValueError for an invalid setting."""
    if settings.url:
        return Topology(url=_completed(settings.url, settings), cluster=bool(settings.cluster))
    if settings.sentinels:
        return Topology(
            sentinels=[(host, int(port)) for host, port in settings.sentinels],
            master=settings.sentinel_master,
            password=settings.password,
            db=settings.db,
            sentinel_password=settings.sentinel_password,
        )
    if settings.cluster:
        nodes = _nodes(settings.cluster)
        return Topology(url=_url(*nodes[0], password=settings.password, db=0), cluster=True, nodes=nodes[1:])
    if isinstance(settings.host, str):
        return Topology(url=_url(settings.host, settings.port, password=settings.password, db=settings.db))
    return Topology(client=settings.host)


def _completed(url: str, settings: RedisSettings) -> str:
    """Add the password and the database of the other settings to a URL that has none."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("CACHE_REDIS_URL must start with redis://, rediss:// or unix://")
    if "decode_responses" in query:
        raise ValueError("CACHE_REDIS_URL must not say decode_responses: entries are bytes")
    if parts.scheme == "unix":
        wanted = {"db": str(settings.db or ""), "password": quote(settings.password or "", safe="")}
        added = [f"{name}={value}" for name, value in wanted.items() if value and name not in query]
        return "&".join([url if parts.query or not added else f"{url}?{added.pop()}", *added])
    login = f":{quote(settings.password, safe='')}@" if settings.password and "@" not in parts.netloc else ""
    path = f"/{settings.db}" if settings.db and not parts.path.strip("/") and "db" not in query else parts.path
    return urlunsplit(parts._replace(netloc=login + parts.netloc, path=path))


def _nodes(addresses: object) -> list[tuple[str, int]]:
    try:
        pairs = [address.strip().rsplit(":", 1) for address in str(addresses).split(",")]
        return [(host, int(port)) for host, port in pairs]
    except ValueError:
        raise ValueError("CACHE_REDIS_CLUSTER must be host:port,host:port,…") from None


def _url(host: str, port: int, *, password: str | None, db: int) -> str:
    login = f":{quote(password, safe='')}@" if password else ""
    return f"redis://{login}{f'[{host}]' if ':' in host else host}:{port}/{db}"


def _server_name(topology: Topology) -> str:
    """Name the server, without credentials. Processes with the same server name share their marks."""
    if topology.sentinels:
        return f"{topology.master} {topology.db} {sorted(topology.sentinels)}"
    if topology.client is not None:
        known = topology.client.get_connection_kwargs()
        return " ".join(str(known.get(name)) for name in ("host", "port", "path", "db"))
    parts = urlsplit(topology.url)
    return f"{parts.hostname} {parts.port} {parts.path}"
