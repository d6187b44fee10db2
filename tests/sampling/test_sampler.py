"""The freshness sampler: it finds a stale entry, calls nothing else stale, and costs requests nothing."""

import logging
import re
import threading
import time
from pathlib import Path
from typing import Final

import jwt
import pytest
from flask import Flask
from redis import Redis

from config import Settings
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.callers import caller_with
from tests.proxy import Fault, SupabaseProxy
from tests.sampling.apps import added, counts, is_hit, run_sampling_app, wait_for_hit
from tests.sellers import Seller, app_environment, make_operator, new_seller, running_app

_PLANTED: Final = '{"all":7,"asin_found":7,"needs_selection":0,"needs_asin":0,"manual_entry":0}'


def test_present_answers_are_verified(sampling: Flask, seller: Seller) -> None:
    """Nothing else is counted."""
    before = counts(sampling)
    wait_for_hit(sampling, seller)
    assert wait_until(lambda: bool(added(sampling, before)), seconds=10)
    assert added(sampling, before) == {"verified": 1}


def test_stale_entry_is_found(sampling: Flask, seller: Seller, redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted once for each sample, and logged as an error without the user, the token or the numbers."""
    wait_for_hit(sampling, seller)
    before = counts(sampling)
    redis.set(seller.key, _PLANTED, px=9_000)
    with caplog.at_level(logging.INFO, "app"):
        assert is_hit(sampling, seller.token)
        assert wait_until(lambda: "stale" in added(sampling, before), seconds=10)
    assert added(sampling, before)["stale"] == 1
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.name for record in errors] == ["app.diagnostics.freshness"]
    assert not re.search(r"\d", errors[0].getMessage()), "a number, or the id or token of a user"


def test_unannounced_change_makes_the_entry_stale(sampling: Flask, stack: Stack, seller: Seller) -> None:
    """Such as a change in the SQL editor of Supabase."""
    wait_for_hit(sampling, seller)
    before = counts(sampling)
    assert is_hit(sampling, seller.token)
    writer = caller_with(stack.supabase, seller.token)
    with writer.http:
        writer.creates()
    assert wait_until(lambda: is_hit(sampling, seller.token) and "stale" in added(sampling, before), seconds=8)


def test_ordinary_changes_are_not_called_stale(sampling: Flask, seller: Seller) -> None:
    """Reads and changes at the same time, for longer than the pause between two looks."""
    before, done = counts(sampling), threading.Event()

    def change() -> None:
        while not done.wait(0.2):
            seller.deletes(seller.creates()["id"])

    def enough_compared() -> bool:
        is_hit(sampling, seller.token)
        return sum(added(sampling, before).values()) > 30

    changing = threading.Thread(target=change)
    changing.start()
    try:
        assert wait_until(enough_compared, seconds=60)
    finally:
        done.set()
        changing.join()
    assert set(added(sampling, before)) >= {"verified"}
    assert "stale" not in added(sampling, before)


def _expired(stack: Stack, seller: Seller) -> str:
    """Return a token of `seller` that has just expired: the app still accepts it, the database does not."""
    claims = jwt.decode(seller.token, options={"verify_signature": False})
    return jwt.encode(claims | {"exp": int(time.time()) - 3}, stack.supabase.jwt_secret, "HS256")


def test_expired_token_skips_the_comparison(
    sampling: Flask, stack: Stack, seller: Seller, caplog: pytest.LogCaptureFixture
) -> None:
    """The token is not logged."""
    wait_for_hit(sampling, seller)
    before, token = counts(sampling), _expired(stack, seller)
    with caplog.at_level(logging.DEBUG, "app"):
        assert is_hit(sampling, token)
        assert wait_until(lambda: "skipped" in added(sampling, before), seconds=10)
    assert token not in caplog.text


def test_last_call_slot_of_the_database_is_left_to_requests(
    settings: Settings, stack: Stack, server: AppServer, seller: Seller
) -> None:
    """With three threads there is only one slot, so nothing is compared."""
    with run_sampling_app(settings, stack, server, threads=3) as app:
        before = counts(app)
        wait_for_hit(app, seller)
        assert wait_until(lambda: bool(added(app, before)), seconds=10)
        assert added(app, before) == {"skipped": 1}


def test_hung_database_delays_no_hit(
    settings: Settings, stack: Stack, server: AppServer, seller: Seller, proxy: SupabaseProxy
) -> None:
    """One call waits for the database. A few samples wait for this call, and further ones are skipped at once."""
    released, calls = threading.Event(), list[bytes]()

    def hang(answer: bytes) -> bytes:
        calls.append(answer)
        released.wait(30)
        return answer

    with run_sampling_app(settings, stack, server, supabase_url=proxy.url, supabase_down_after=60) as app:
        wait_for_hit(app, seller)
        before = counts(app)
        assert wait_until(lambda: not sum(added(app, before).values()), seconds=1)
        proxy.fault = Fault(hang)
        try:
            assert wait_until(lambda: is_hit(app, seller.token) and bool(calls), seconds=10)
            started = time.monotonic()
            hits = sum(is_hit(app, seller.token) for _ in range(30))
            took = time.monotonic() - started
        finally:
            proxy.fault = None
            released.set()
    assert (len(calls), took < 5) == (1, True)
    assert hits - added(app, before)["skipped"] <= 10


def test_database_that_is_down_is_not_called(
    settings: Settings, stack: Stack, server: AppServer, seller: Seller, proxy: SupabaseProxy
) -> None:
    """Every sample is skipped, and every hit is answered."""
    with run_sampling_app(settings, stack, server, supabase_url=proxy.url) as app:
        wait_for_hit(app, seller)
        before = counts(app)
        proxy.fault = Fault(lambda _: b"", arrives=False)
        try:
            assert wait_until(lambda: is_hit(app, seller.token) and "skipped" in added(app, before), seconds=8)
        finally:
            proxy.fault = None
    assert "stale" not in added(app, before)


@pytest.mark.parametrize("changes", [{"freshness_sample": 0.0}, {"freshness_sample": 1.0, "cache_type": "NullCache"}])
def test_nothing_is_hooked_in_without_samples(settings: Settings, changes: dict[str, object]) -> None:
    """A hit then costs what it cost before; tests/test_cost_of_a_hit.py counts it."""
    with running_app(settings.model_copy(update=changes)) as app:
        assert not app.after_request_funcs.get(None)
        assert "freshness" not in app.extensions


def _samples(operator: Seller) -> dict[str, float]:
    found = re.findall(r'^asin_desk_freshness_samples_total\{result="([a-z-]+)"\} ([0-9.e+]+)$',
                       operator.http.get("/metrics").text, re.MULTILINE)  # fmt: skip
    return {name: float(number) for name, number in found}


def test_forked_workers_sample_and_stop(stack: Stack, tmp_path: Path) -> None:
    """Under --preload each worker starts a thread of its own, which ends with the worker."""
    log = tmp_path / "gunicorn.log"
    settings = {"FRESHNESS_SAMPLE": "1", "GUNICORN_CMD_ARGS": "--preload"}
    with ValkeyServer(tmp_path / "valkey") as valkey:
        environment = app_environment(stack, REDIS_URL=valkey.url, **settings)
        with (
            AppServer(environment, workers=2, log=log) as server,
            new_seller(stack.supabase, server.url) as operator,
        ):
            make_operator(stack.supabase, operator)
            operator.creates()
            assert wait_until(lambda: bool(operator.reads_stats()) and _samples(operator)["verified"] > 40, seconds=60)
            assert _samples(operator)["stale"] == 0
    lines = log.read_text()
    assert not [word for word in ("Traceback", "Fatal Python error", "WORKER TIMEOUT", operator.token) if word in lines]
