"""Who stands between us and Redis on the network learns nothing: a server has to prove itself first."""

from collections.abc import Callable
from typing import Final

import pytest
from redis import Redis

from app.caching.connection import Topology
from local.valkey import ValkeyServer
from tests.caching.engines import Computation, Spy, engine, fetch
from tests.caching.places import Place

_STRANGERS: Final[dict[str, Callable[[str], str]]] = {
    "of an unknown authority": lambda url: url.partition("?")[0],
    "for another host": lambda url: url.replace("127.0.0.1", "localhost"),
}


@pytest.mark.parametrize("place", ["TLS"], indirect=True)
@pytest.mark.parametrize("stranger", _STRANGERS)
def test_a_server_with_a_strange_certificate_is_told_and_believed_nothing(
    place: Place, spy: Spy, stranger: str
) -> None:
    """No command is sent, no value is taken, and the answer comes from the database."""
    assert place.topology.url is not None
    assert _detail_of(_STRANGERS[stranger](place.topology.url), spy) == "redis-tls"


def test_a_server_without_tls_is_not_spoken_to_in_the_clear(valkey: ValkeyServer) -> None:
    """There is no falling back: who strips TLS off the wire gets nothing. Such a server may just be silent."""
    detail = _detail_of(valkey.url.replace("redis://", "rediss://"), Spy(lambda: Redis.from_url(valkey.url)))
    assert detail in {"redis-tls", "redis-timeout", "redis-connection"}


def _detail_of(url: str, spy: Spy) -> str | None:
    """Return why the cache was not used, having checked that it was not."""
    spy.plants(1)
    protocol = engine(Topology(url=url), timeout=0.5, meet=False)
    with spy.counting() as sent:
        answer = fetch(protocol, Computation(2))
    assert (answer.value, sent) == (2, [])
    return answer.detail
