"""Rate limits on changes and imports."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx
import pytest
from flask import Flask
from redis import Redis

from app.addresses import client_address, network_of
from app.limits import IMPORTS, WRITES, Policy, limiter
from app.limits.counting import Counters
from config import Settings
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.clients import PASSWORD
from tests.guessers import new_guesser
from tests.sellers import STATS, Seller, all_workers_serve, app_environment, new_seller, running_app

_SAFE: Final = {"GET", "HEAD", "OPTIONS"}
_NO_CHANGE: Final = {"desk.open_session", "desk.sign_out"}  # see tests/test_limits_guessing.py
_POLICY: Final = Policy("test", quota=3, window=60)
_QUOTA_EXCEEDED: Final = "https://iana.org/assignments/http-problem-types#quota-exceeded"
_SECONDS: Final = 15


@pytest.fixture(scope="module")
def limited_app(settings: Settings) -> Iterator[Flask]:
    """Return the app in this process with rate limits."""
    with running_app(settings.model_copy(update={"rate_limits": "on"})) as running:
        yield running


@pytest.fixture
def client(limited_app: Flask, seller: Seller) -> Iterator[httpx.Client]:
    """Return a client of `limited_app` with the token of `seller`."""
    transport = httpx.WSGITransport(limited_app)
    with httpx.Client(transport=transport, base_url="http://app", headers=seller.http.headers) as http:
        yield http


def _use_up(app: Flask, policy: Policy, seller: Seller) -> None:
    """Use up a user's quota."""
    with app.app_context():
        units = policy.quota
        while units := units if limiter().take(policy, f"user:{seller.id}", units=units).allowed else units // 2:
            pass


def _refused(app: Flask, policy: Policy, seller: Seller, request: Callable[[], httpx.Response]) -> httpx.Response:
    """Use up the quota and make a request until it is refused. On a slow machine the quota may refill in between."""
    answers: list[httpx.Response] = []

    def was_refused() -> bool:
        _use_up(app, policy, seller)
        answers.append(request())
        return answers[-1].status_code == 429

    assert wait_until(was_refused, seconds=_SECONDS), answers[-1].text
    return answers[-1]


def test_a_change_is_answered_with_the_remaining_quota(client: httpx.Client) -> None:
    """In the header fields of the IETF draft, also if nothing was changed."""
    for title, status in (("One", 201), ("", 422)):
        answer = client.post("/products", json={"title": title})
        assert answer.status_code == status
        assert answer.headers["RateLimit-Policy"] == '"writes";q=600;w=60'
        assert answer.headers["RateLimit"] in {'"writes";r=599;t=1', '"writes";r=598;t=1'}


def test_a_change_over_the_limit_is_a_problem_document_with_retry_after(
    limited_app: Flask, client: httpx.Client, seller: Seller
) -> None:
    """Retry-After and RateLimit agree, and nothing was changed."""
    answer = _refused(limited_app, WRITES, seller, lambda: client.post("/products", json={"title": "One"}))
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["RateLimit"] == '"writes";r=0;t=1'
    document = answer.json()
    assert (document["type"], document["status"], document["instance"]) == (_QUOTA_EXCEEDED, 429, "/products")
    assert document["violated-policies"] == ["writes"]
    assert "try again in 1 s." in document["detail"]
    assert seller.lists() == []


def test_every_route_that_changes_data_is_limited(limited_app: Flask, client: httpx.Client, seller: Seller) -> None:
    """Reads the URL map, so a new route fails here until it is limited. Imports have a separate limit."""
    adapter = limited_app.url_map.bind("app")
    for rule in limited_app.url_map.iter_rules():
        for method in (rule.methods or set()) - _SAFE:
            if rule.endpoint in _NO_CHANGE:
                continue
            values = {name: "delete" if name == "action" else UUID(seller.id) for name in rule.arguments}
            policy = IMPORTS if "import" in rule.endpoint else WRITES
            path = adapter.build(rule.endpoint, values, method)
            answer = _refused(limited_app, policy, seller, partial(client.request, method, path))
            assert f'"{policy.name}";r=0' in answer.headers["RateLimit"], rule


def test_reads_are_not_limited_and_have_no_rate_limit_headers(
    limited_app: Flask, client: httpx.Client, seller: Seller
) -> None:
    """Even if the quota for changes is used up."""
    _use_up(limited_app, WRITES, seller)
    for path in (STATS, STATS, "/products", "/products/export", "/healthz"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert not [name for name in answer.headers if "ratelimit" in name]


def test_a_user_can_run_only_two_imports_at_a_time(stack: Stack, seller: Seller, tmp_path: Path) -> None:
    """The limit is per worker. When an import ends, the next is accepted."""
    headers = {**seller.http.headers, "Content-Type": "text/csv"}

    def slow_body() -> Iterator[bytes]:
        yield b"title\n"
        started.append(1)
        assert wait_until(lambda: not held, seconds=60)
        yield b"x\n"

    started: list[int] = []
    held = [True]
    environment = app_environment(stack, RATE_LIMITS="on")
    with AppServer(environment, workers=1, log=tmp_path / "log") as app, ThreadPoolExecutor(2) as threads:
        url = f"{app.url}/products/import"
        try:
            slow = [threads.submit(httpx.post, url, content=slow_body(), headers=headers, timeout=60) for _ in range(2)]
            third = httpx.Client(headers=headers)
            assert wait_until(lambda: len(started) == 2, seconds=_SECONDS)
            assert wait_until(lambda: third.post(url, content="title\ny\n").status_code == 429, seconds=_SECONDS)
            answer = third.post(url, content="title\ny\n")
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
        finally:
            held.clear()
        assert [each.result().status_code for each in slow] == [200, 200]
        assert third.post(url, content="title\ny\n").status_code == 200
        third.close()


def test_counters_contain_no_user_id_and_expire(client: httpx.Client, redis: Redis, seller: Seller) -> None:
    """A key consists of the policy and a keyed digest. Its TTL is at most the window."""
    client.post("/products", json={"title": "One"})
    keys = [key.decode() for key in redis.scan_iter(match="asin_limits:writes:*")]
    assert keys
    assert not list(redis.scan_iter(match=f"asin_limits:*{seller.id}*"))
    assert all(0 < redis.pttl(key) <= WRITES.window_ms or not redis.exists(key) for key in keys)


@pytest.mark.parametrize("planted", ["99999999999999999", "-5", "inf", "nan", "", "not a number", '{"a": 1}'])
def test_an_invalid_counter_value_is_discarded(limited_app: Flask, redis: Redis, planted: str) -> None:
    """A time further in the future than the window is discarded."""
    with limited_app.app_context():
        limiter().take(_POLICY, "planted")
        (key,) = redis.scan_iter(match="asin_limits:test:*")
        redis.set(key, planted)
        standing = limiter().take(_POLICY, "planted")
        assert (standing.allowed, standing.left) == (True, 2)
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
    """Many addresses cannot fill its memory."""
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


def test_without_redis_each_worker_counts_locally(stack: Stack, tmp_path: Path) -> None:
    """Redis is killed and restarted. Guessing stays limited, no request fails, and the log says where it counts."""
    log = tmp_path / "app.log"
    with ValkeyServer(tmp_path / "valkey") as valkey:
        environment = app_environment(stack, REDIS_URL=valkey.url, RATE_LIMITS="on", TRUSTED_PROXIES="1")
        with AppServer(environment, workers=1, log=log) as app, new_seller(stack.supabase, app.url) as seller:
            assert all_workers_serve(log, workers=1)
            valkey.kill()
            _limits_guessing(app.url, seller)
            assert seller.creates()
            valkey.start()
            assert wait_until(lambda: _is_counted_in_redis(seller, valkey), seconds=_SECONDS)
    text = log.read_text()
    assert "Traceback" not in text
    assert "rate limits are counted in each worker by itself: " in text
    assert "rate limits are counted in Redis, for all workers together: Redis answers" in text


def _limits_guessing(url: str, seller: Seller) -> None:
    """Assert that guesses are refused after ten wrong passwords, without a server error."""
    with new_guesser(url) as guesser:
        assert guesser.tries_many([seller.email] * 12, "wrong") == {422: 10, 429: 2}
        assert guesser.tries(seller.email, PASSWORD).status_code == 429


def _is_counted_in_redis(seller: Seller, valkey: ValkeyServer) -> bool:
    seller.creates()
    with Redis.from_url(valkey.url) as client:
        return any(client.scan_iter(match="asin_limits:*"))


def test_a_hung_redis_delays_one_change_by_the_read_timeout(stack: Stack, tmp_path: Path) -> None:
    """One change waits for REDIS_READ_TIMEOUT. Then the breaker is open for all."""
    log = tmp_path / "app.log"
    with ValkeyServer(tmp_path / "valkey") as valkey:
        environment = app_environment(stack, REDIS_URL=valkey.url, RATE_LIMITS="on", REDIS_READ_TIMEOUT="0.1")
        with AppServer(environment, workers=1, log=log) as app, new_seller(stack.supabase, app.url) as seller:
            quiet = min(_seconds(seller) for _ in range(5))
            valkey.pause()
            during_hang = [_seconds(seller) for _ in range(5)]
            valkey.resume()
    assert during_hang[0] < quiet + 0.1 + 0.5
    assert min(during_hang[1:]) < quiet + 0.1


def _seconds(seller: Seller) -> float:
    started = time.perf_counter()
    seller.creates()
    return time.perf_counter() - started
