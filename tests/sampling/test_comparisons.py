"""The comparison of a sampled answer with the database: only an entry that stays is called stale."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

import pytest
from flask import Flask
from redis import Redis

from app.caching import Freshness
from app.diagnostics.freshness import Sample, compare, look, numbers_now
from app.extensions import cache
from app.products.breakdown import AsinStats
from app.products.stats import asin_status_stats
from local.stack import Stack
from tests.callers import caller_with
from tests.sampling.apps import wait_for_hit
from tests.sellers import Seller

T = TypeVar("T")
_PLANTED: Final = '{"all":7,"asin_found":7,"needs_selection":0,"needs_asin":0,"manual_entry":0}'
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
    wait_for_hit(sampling, seller)
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
