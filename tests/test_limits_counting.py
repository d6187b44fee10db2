"""The counters of the rate limits, and the client addresses they are counted by."""

from typing import Final

import pytest
from flask import Flask
from redis import Redis

from app.addresses import client_address, network_of
from app.limits import Policy, limiter
from app.limits.counting import Counters
from config import Settings
from tests.sellers import running_app

_POLICY: Final = Policy("test", quota=3, window=60)


@pytest.mark.parametrize("planted", ["99999999999999999", "-5", "inf", "nan", "", "not a number", '{"a": 1}'])
def test_an_invalid_counter_value_is_discarded(limited_app: Flask, redis: Redis, planted: str) -> None:
    """A time further in the future than the window is discarded."""
    with limited_app.app_context():
        limiter().take(_POLICY, "planted")
        (key,) = redis.scan_iter(match="asin_limits:test:*")
        redis.set(key, planted)
        result = limiter().take(_POLICY, "planted")
        assert (result.allowed, result.left) == (True, 2)
        assert 0 < redis.pttl(key) <= _POLICY.window_ms
        redis.delete(key)


def test_counting_in_redis_and_in_a_process_gives_the_same_results(limited_app: Flask) -> None:
    """Each step gives the same result, returned units included."""
    local_counters = Counters()
    with limited_app.app_context():
        for units in (1, 1, -1, 1, 1, 1, -2, 1, -9, 3, 1):
            shared, alone = limiter().take(_POLICY, "alike", units=units), local_counters.take("alike", _POLICY, units)
            assert (shared.allowed, shared.left) == (alone.allowed, alone.left), units
            assert abs(shared.wait_ms - alone.wait_ms) < 1000


def test_local_counters_are_bounded() -> None:
    """Many addresses cannot fill the memory of a worker."""
    local_counters = Counters(clock=lambda: 0.0)
    assert not [key for key in range(3) if not local_counters.take("first", _POLICY, 1).allowed]
    assert not local_counters.take("first", _POLICY, 1).allowed
    for number in range(10_000):
        local_counters.take(str(number), _POLICY, 1)
    assert local_counters.take("first", _POLICY, 1).left == 2


@pytest.mark.parametrize(
    ("trusted", "forwarded", "peer", "found"),
    [
        (0, "203.0.113.9", "192.0.2.1", "192.0.2.1"),
        (1, "", "192.0.2.1", "192.0.2.1"),
        (1, "203.0.113.9", "192.0.2.1", "203.0.113.9"),
        (1, "6.6.6.6, 203.0.113.9", "192.0.2.1", "203.0.113.9"),
        (2, "6.6.6.6, 203.0.113.9, 10.0.0.1", "192.0.2.1", "203.0.113.9"),
        (2, "203.0.113.9", "192.0.2.1", "192.0.2.1"),
        (1, "unknown", "192.0.2.1", "192.0.2.1"),
        (1, "2001:DB8::1%\x1b[2J", "192.0.2.1", "2001:db8::1"),
        (1, "::ffff:203.0.113.9", "192.0.2.1", "203.0.113.9"),
        (0, "", "", ""),
    ],
)
def test_only_addresses_appended_by_trusted_proxies_are_used(
    settings: Settings, trusted: int, forwarded: str, peer: str, found: str
) -> None:
    """Proxies are counted from the right. Without trusted proxies the header is ignored."""
    with (
        running_app(settings.model_copy(update={"trusted_proxies": trusted})) as app,
        app.test_request_context(environ_overrides={"HTTP_X_FORWARDED_FOR": forwarded, "REMOTE_ADDR": peer}),
    ):
        assert client_address() == found


def test_an_ipv6_site_counts_as_one_client() -> None:
    """One site has 2^64 addresses."""
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("203.0.113.9") == "203.0.113.9"
