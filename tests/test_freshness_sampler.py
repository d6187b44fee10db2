"""The freshness sampler: it finds a stale entry, calls nothing else stale, and costs requests nothing."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import jwt
import pytest
from flask import Flask
from redis import Redis

from app.caching import Freshness
from app.diagnostics.freshness import Sample, compare, look, numbers_now
from app.extensions import cache
from app.products.breakdown import AsinStats
from app.products.stats import asin_status_stats
from config import Settings
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.callers import caller_with
from tests.proxy import Fault, SupabaseProxy
from tests.sellers import STATS, Seller, app_environment, make_operator, new_seller, running_app

T = TypeVar("T")
_PLANTED: Final = '{"all":7,"asin_found":7,"needs_selection":0,"needs_asin":0,"manual_entry":0}'


@contextmanager
def _sampling(settings: Settings, stack: Stack, server: AppServer, **changes: object) -> Iterator[Flask]:
    """Run an app in this process that compares all hits.

    An app uses no entry that may be older than its first contact with Redis. Wait until it uses one of a second.
    """
    with (
        running_app(settings.model_copy(update={"freshness_sample": 1.0, **changes})) as app,
        new_seller(stack.supabase, server.url) as someone,
    ):
        assert wait_until(lambda: "; hit; ttl=8" in _cache_status(app, someone.token), seconds=30)
        app.extensions["freshness"].stop()
        yield app
        app.extensions["freshness"].stop()


@pytest.fixture(scope="module")
def app_of_module(settings: Settings, stack: Stack, server: AppServer) -> Iterator[Flask]:
    """Return an app in this process that compares all hits."""
    with _sampling(settings, stack, server) as app:
        yield app


@pytest.fixture
def sampling(app_of_module: Flask) -> Flask:
    """Return an app in this process that compares all hits, without samples of earlier tests."""
    app_of_module.extensions["freshness"].stop()
    return app_of_module


def _counts(app: Flask) -> dict[str, int]:
    with app.app_context():
        counters = cache.counters()
    assert counters
    return {str(result): counters.events[result.counter] for result in Freshness}


def _added(app: Flask, before: dict[str, int]) -> dict[str, int]:
    """Return the results since `before` that are not 0."""
    return {name: number - before[name] for name, number in _counts(app).items() if number > before[name]}


def _cache_status(app: Flask, token: str) -> str:
    answer = app.test_client().get(STATS, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    return answer.headers["Cache-Status"]


def _hit(app: Flask, token: str) -> bool:
    return _cache_status(app, token).startswith("asin-stats; hit")


def _wait_for_hit(app: Flask, seller: Seller) -> None:
    """Read until there is a hit, on a new entry."""
    seller.creates()
    assert wait_until(lambda: _hit(app, seller.token), seconds=20)


def test_present_answers_are_verified(sampling: Flask, seller: Seller) -> None:
    """Nothing else is counted."""
    before = _counts(sampling)
    _wait_for_hit(sampling, seller)
    assert wait_until(lambda: bool(_added(sampling, before)), seconds=10)
    assert _added(sampling, before) == {"verified": 1}


def test_stale_entry_is_found(sampling: Flask, seller: Seller, redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted once for each sample, and logged as an error without the user, the token or the numbers."""
    _wait_for_hit(sampling, seller)
    before = _counts(sampling)
    redis.set(seller.key, _PLANTED, px=9_000)
    with caplog.at_level(logging.INFO, "app"):
        assert _hit(sampling, seller.token)
        assert wait_until(lambda: "stale" in _added(sampling, before), seconds=10)
    assert _added(sampling, before)["stale"] == 1
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.name for record in errors] == ["app.diagnostics.freshness"]
    assert not re.search(r"\d", errors[0].getMessage()), "a number, or the id or token of a user"


def test_unannounced_change_makes_the_entry_stale(sampling: Flask, stack: Stack, seller: Seller) -> None:
    """Such as a change in the SQL editor of Supabase."""
    _wait_for_hit(sampling, seller)
    before = _counts(sampling)
    assert _hit(sampling, seller.token)
    writer = caller_with(stack.supabase, seller.token)
    with writer.http:
        writer.creates()
    assert wait_until(lambda: _hit(sampling, seller.token) and "stale" in _added(sampling, before), seconds=8)


def test_ordinary_changes_are_not_called_stale(sampling: Flask, seller: Seller) -> None:
    """Reads and changes at the same time, for longer than the pause between two looks."""
    before, done = _counts(sampling), threading.Event()

    def change() -> None:
        while not done.wait(0.2):
            seller.deletes(seller.creates()["id"])

    def enough_compared() -> bool:
        _hit(sampling, seller.token)
        return sum(_added(sampling, before).values()) > 30

    changing = threading.Thread(target=change)
    changing.start()
    try:
        assert wait_until(enough_compared, seconds=60)
    finally:
        done.set()
        changing.join()
    assert set(_added(sampling, before)) >= {"verified"}
    assert "stale" not in _added(sampling, before)


_READ, _LOOK, _PAUSE, _READ_AGAIN, _LOOK_AGAIN = range(5)  # the steps of a comparison that finds a difference


class _Comparison:
    """A comparison of a planted entry of `seller` with the database."""

    def __init__(self, app: Flask, seller: Seller, redis: Redis) -> None:
        """Plant the entry."""
        self._app, self._seller, self._redis = app, seller, redis
        self._steps, self._actions = 0, dict[int, Callable[[], object]]()
        self.plant()

    def plant(self, milliseconds: int = 9_000) -> None:
        """Store numbers that are not those of the database."""
        self._redis.set(self._seller.key, _PLANTED, px=milliseconds)

    def result(self, action: Callable[[], object] = bool, *, before: int = _READ, expires_in: float = 9.0) -> Freshness:
        """Compare, and run `action` before one of the steps."""
        seller, database = self._seller, self._app.extensions["database"]
        sample = Sample(seller.id, seller.token, AsinStats(7, 7, 0, 0, 0), time.monotonic() + expires_in)
        self._actions[before] = action
        with self._app.app_context():
            return compare(
                sample,
                read_database=lambda: self._step(lambda: numbers_now(database, sample)),
                look=lambda: self._step(lambda: look(seller.id)),
                pause=lambda: self._step(bool),
            )

    def _step(self, step: Callable[[], T]) -> T:
        self._actions.get(self._steps, bool)()
        self._steps += 1
        return step()


@pytest.fixture
def comparison(sampling: Flask, seller: Seller, redis: Redis) -> _Comparison:
    """Return a comparison in the sampling app."""
    _wait_for_hit(sampling, seller)
    return _Comparison(sampling, seller, redis)


def test_entry_that_stays_is_stale(comparison: _Comparison) -> None:
    """The numbers of the database stay the same, too."""
    assert comparison.result() is Freshness.STALE


@pytest.mark.parametrize("step", range(_LOOK_AGAIN + 1))
def test_change_at_any_step_is_a_writer_in_flight(comparison: _Comparison, seller: Seller, step: int) -> None:
    """The change is announced, done and acknowledged before the step."""
    assert comparison.result(seller.creates, before=step) is Freshness.WRITER_IN_FLIGHT


@pytest.mark.parametrize("step", [_PAUSE, _READ_AGAIN, _LOOK_AGAIN])
def test_later_entry_with_the_same_value_is_not_the_same_entry(comparison: _Comparison, step: int) -> None:
    """Such as after a change and its reversal."""
    assert comparison.result(lambda: comparison.plant(8_000), before=step) is Freshness.WRITER_IN_FLIGHT


@pytest.mark.parametrize("step", [_PAUSE, _READ_AGAIN])
def test_change_after_the_first_look_at_the_database_is_no_proof(
    comparison: _Comparison, stack: Stack, seller: Seller, step: int
) -> None:
    """Its writer could not reach Redis, and may not have ended yet."""
    writer = caller_with(stack.supabase, seller.token)
    with writer.http:
        assert comparison.result(writer.creates, before=step) is Freshness.WRITER_IN_FLIGHT


def test_open_write_is_a_writer_in_flight(sampling: Flask, comparison: _Comparison, seller: Seller) -> None:
    """It has begun before the comparison and ends after it."""
    with sampling.app_context(), cache.writing(asin_status_stats, seller.id):
        assert comparison.result() is Freshness.WRITER_IN_FLIGHT


def test_entry_that_no_reader_uses_is_not_stale(sampling: Flask, comparison: _Comparison, seller: Seller) -> None:
    """A writer has ended and owes the delete of the entry, so the processes of this machine do not use it."""
    with sampling.app_context():
        region = cache.engine.protocol.region  # type: ignore[attr-defined]  # LeaseCache is configured
    region.mark(seller.key, seconds=5)
    try:
        assert comparison.result() is Freshness.WRITER_IN_FLIGHT
    finally:
        region.unmark()


@pytest.mark.parametrize("step", [_LOOK, _LOOK_AGAIN])
def test_entry_that_may_have_expired_proves_nothing(
    comparison: _Comparison, redis: Redis, seller: Seller, step: int
) -> None:
    """Nobody knows whether a writer deleted it."""
    result = comparison.result(lambda: redis.delete(seller.key), before=step, expires_in=0)
    assert result is Freshness.SKIPPED


def _expired(stack: Stack, seller: Seller) -> str:
    """Return a token of `seller` that has just expired: the app still accepts it, the database does not."""
    claims = jwt.decode(seller.token, options={"verify_signature": False})
    return jwt.encode(claims | {"exp": int(time.time()) - 3}, stack.supabase.jwt_secret, "HS256")


def test_expired_token_skips_the_comparison(
    sampling: Flask, stack: Stack, seller: Seller, caplog: pytest.LogCaptureFixture
) -> None:
    """The token is not logged."""
    _wait_for_hit(sampling, seller)
    before, token = _counts(sampling), _expired(stack, seller)
    with caplog.at_level(logging.DEBUG, "app"):
        assert _hit(sampling, token)
        assert wait_until(lambda: "skipped" in _added(sampling, before), seconds=10)
    assert token not in caplog.text


def test_last_call_slot_of_the_database_is_left_to_requests(
    settings: Settings, stack: Stack, server: AppServer, seller: Seller
) -> None:
    """With three threads there is only one slot, so nothing is compared."""
    with _sampling(settings, stack, server, threads=3) as app:
        before = _counts(app)
        _wait_for_hit(app, seller)
        assert wait_until(lambda: bool(_added(app, before)), seconds=10)
        assert _added(app, before) == {"skipped": 1}


def test_hung_database_delays_no_hit(
    settings: Settings, stack: Stack, server: AppServer, seller: Seller, proxy: SupabaseProxy
) -> None:
    """One call waits for the database. A few samples wait for this call, and further ones are skipped at once."""
    released, calls = threading.Event(), list[bytes]()

    def hang(answer: bytes) -> bytes:
        calls.append(answer)
        released.wait(30)
        return answer

    with _sampling(settings, stack, server, supabase_url=proxy.url, supabase_down_after=60) as app:
        _wait_for_hit(app, seller)
        before = _counts(app)
        assert wait_until(lambda: not sum(_added(app, before).values()), seconds=1)
        proxy.fault = Fault(hang)
        try:
            assert wait_until(lambda: _hit(app, seller.token) and bool(calls), seconds=10)
            started = time.monotonic()
            hits = sum(_hit(app, seller.token) for _ in range(30))
            took = time.monotonic() - started
        finally:
            proxy.fault = None
            released.set()
    assert (len(calls), took < 5) == (1, True)
    assert hits - _added(app, before)["skipped"] <= 10


def test_database_that_is_down_is_not_called(
    settings: Settings, stack: Stack, server: AppServer, seller: Seller, proxy: SupabaseProxy
) -> None:
    """Every sample is skipped, and every hit is answered."""
    with _sampling(settings, stack, server, supabase_url=proxy.url) as app:
        _wait_for_hit(app, seller)
        before = _counts(app)
        proxy.fault = Fault(lambda _: b"", arrives=False)
        try:
            assert wait_until(lambda: _hit(app, seller.token) and "skipped" in _added(app, before), seconds=8)
        finally:
            proxy.fault = None
    assert "stale" not in _added(app, before)


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
