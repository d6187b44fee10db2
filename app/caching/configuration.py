"""Where Redis is, read from Flask-Caching's settings; everything wrong with them is one clear error at the start."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from app.caching.connection import Topology
from app.caching.opening import open_protocol
from app.caching.protocol import LeaseProtocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where Redis is, as Flask-Caching's settings say it: the CACHE_REDIS_… of the same names."""

    url: str | None = None
    host: Any = "localhost"
    port: int = 6379
    password: str | None = None
    db: int = 0
    sentinels: Sequence[tuple[str, int]] = ()
    sentinel_master: str = "mymaster"
    sentinel_password: str | None = None
    cluster: str | bool = ""


def place_of(config: Mapping[str, Any]) -> Place:
    """Read the settings CACHE_REDIS_…; those that are not set, or None, have Flask-Caching's defaults."""
    settings = {name: config.get(f"CACHE_REDIS_{name.upper()}") for name in inspect.signature(Place).parameters}
    return Place(**{name: value for name, value in settings.items() if value is not None})


def open_place(place: Place, *, longest_ttl: float, options: Mapping[str, Any]) -> LeaseProtocol:
    """Return an engine on the Redis at `place`, with the `options` of `open_protocol`.

    Raises:
        ValueError: the place cannot be used.
        TypeError: an option does not exist.

    """
    known = set(inspect.signature(open_protocol).parameters) - {"topology", "longest_ttl"}
    if unknown := set(options) - known:
        raise TypeError(f"CACHE_OPTIONS has no {sorted(unknown)}; there are {sorted(known)}")
    return open_protocol(topology_of(place), longest_ttl=longest_ttl, **options)


def topology_of(place: Place) -> Topology:
    """Return the place as the engine knows places. Raises ValueError for one that cannot be used."""
    if place.url:
        return Topology(url=_completed(place.url, place), cluster=bool(place.cluster))
    if place.sentinels:
        return Topology(
            sentinels=[(host, int(port)) for host, port in place.sentinels],
            master=place.sentinel_master,
            password=place.password,
            db=place.db,
            sentinel_password=place.sentinel_password,
        )
    if place.cluster:
        nodes = _nodes(place.cluster)
        return Topology(url=_url(*nodes[0], password=place.password, db=0), cluster=True, nodes=nodes[1:])
    if isinstance(place.host, str):
        return Topology(url=_url(place.host, place.port, password=place.password, db=place.db))
    return Topology(client=place.host)


def _completed(url: str, place: Place) -> str:
    """Put the password and the database of the other settings into a URL that names none."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("CACHE_REDIS_URL must start with redis://, rediss:// or unix://")
    if "decode_responses" in query:
        raise ValueError("CACHE_REDIS_URL must not say decode_responses: entries are bytes")
    if parts.scheme == "unix":
        wanted = {"db": str(place.db or ""), "password": quote(place.password or "", safe="")}
        added = [f"{name}={value}" for name, value in wanted.items() if value and name not in query]
        return "&".join([url if parts.query or not added else f"{url}?{added.pop()}", *added])
    login = f":{quote(place.password, safe='')}@" if place.password and "@" not in parts.netloc else ""
    path = f"/{place.db}" if place.db and not parts.path.strip("/") and "db" not in query else parts.path
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
