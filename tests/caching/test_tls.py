"""Tests of TLS to Redis: the engine sends nothing to a server that it cannot verify."""

from collections.abc import Callable
from typing import Final

import pytest
from redis import Redis

from app.caching.connection import Topology
from local.valkey import ValkeyServer
from tests.caching.deployments import Deployment
from tests.caching.engines import Computation, Spy, engine, fetch

_UNTRUSTED_URLS: Final[dict[str, Callable[[str], str]]] = {
    "unknown authority": lambda url: url.partition("?")[0],
    "another host name": lambda url: url.replace("127.0.0.1", "localhost"),
}


@pytest.mark.parametrize("deployment", ["TLS"], indirect=True)
@pytest.mark.parametrize("certificate", _UNTRUSTED_URLS)
def test_server_with_an_untrusted_certificate_is_not_used(deployment: Deployment, spy: Spy, certificate: str) -> None:
    """The engine sends no command and uses no value; the answer comes from the database."""
    assert deployment.topology.url is not None
    assert _detail_of(_UNTRUSTED_URLS[certificate](deployment.topology.url), spy) == "redis-tls"


def test_tls_never_falls_back_to_plain_text(valkey: ValkeyServer) -> None:
    """An attacker who strips TLS receives no command. A server without TLS may also just not answer."""
    detail = _detail_of(valkey.url.replace("redis://", "rediss://"), Spy(lambda: Redis.from_url(valkey.url)))
    assert detail in {"redis-tls", "redis-timeout", "redis-connection"}


def _detail_of(url: str, spy: Spy) -> str | None:
    """Check that the cache is not used, and return the reason."""
    spy.stores(1)
    protocol = engine(Topology(url=url), timeout=0.5, known_server=False)
    with spy.counting() as sent:
        answer = fetch(protocol, Computation(2))
    assert (answer.value, sent) == (2, [])
    return answer.detail
