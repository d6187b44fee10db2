"""Rate limits during an outage of Redis."""

import time
from pathlib import Path
from typing import Final

from redis import Redis

from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.clients import PASSWORD
from tests.guessers import new_guesser
from tests.sellers import Seller, all_workers_serve, app_environment, new_seller

_SECONDS: Final = 15


def test_without_redis_each_worker_counts_locally(stack: Stack, valkey: ValkeyServer, tmp_path: Path) -> None:
    """Redis is killed and restarted. Guessing stays limited, no request fails, and the log says where it counts."""
    log = tmp_path / "app.log"
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
    assert "rate limits are counted in each worker separately: " in text
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


def test_a_hung_redis_delays_one_change_by_the_read_timeout(stack: Stack, valkey: ValkeyServer, tmp_path: Path) -> None:
    """One change waits for REDIS_READ_TIMEOUT. Then the breaker is open for all."""
    environment = app_environment(
        stack, REDIS_URL=valkey.url, RATE_LIMITS="on", REDIS_TIMEOUT="30", REDIS_READ_TIMEOUT="2"
    )
    with (
        AppServer(environment, workers=1, log=tmp_path / "app.log") as app,
        new_seller(stack.supabase, app.url) as seller,
    ):
        seller.creates()
        valkey.pause()
        try:
            during_hang = [_seconds(seller) for _ in range(5)]
        finally:
            valkey.resume()
    assert 2 <= during_hang[0] < 10
    assert max(during_hang[1:]) < 2


def _seconds(seller: Seller) -> float:
    started = time.perf_counter()
    seller.creates()
    return time.perf_counter() - started
