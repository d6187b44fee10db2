"""Tests of `replace`: a write leaves its result in the entry."""

from typing import Any

import pytest

from app.caching import Cache, Outcome
from local.valkey import ValkeyServer
from tests.caching.applications import STOCK_BACKENDS, application
from tests.caching.deployments import on_every_deployment
from tests.caching.engines import Spy


def _digits(number: int) -> str:
    return str(number)


class _Shop:
    """Memoized functions of a table of numbers."""

    def __init__(self, cache: Cache) -> None:
        self.cache, self.stock, self.version = cache, {1: 10}, 0

        @cache.memoize(key=_digits)
        def left(number: int) -> int:
            return self.stock[number]

        self.left = left

    def sell(self, *, replace: bool = True) -> None:
        with self.cache.writing(self.left, 1):
            self.stock[1] -= 1
            self.version += 1
            if replace:
                self.left.replace(self.stock[1], self.version, 1)

    def read(self) -> tuple[int, Outcome]:
        answer = self.left.lookup(1)
        return answer.value, answer.outcome


@on_every_deployment
def test_replace_leaves_the_result_in_the_entry(cache: Cache) -> None:
    """The next read is a hit, also if nobody had read before the write."""
    shop = _Shop(cache)
    for left in (9, 8):
        shop.sell()
        assert shop.read() == (left, Outcome.HIT)


def test_block_without_replace_and_delete_has_an_unknown_outcome(cache: Cache, spy: Spy) -> None:
    """Readers compute until the deadline of the writer."""
    shop = _Shop(cache)
    shop.sell()
    shop.sell(replace=False)

    assert shop.read() == (8, Outcome.BYPASS)
    assert (spy.raw("test:1") or b"").startswith(b"write:closed ")


def test_lookup_says_that_a_writer_is_in_flight(cache: Cache) -> None:
    """The value is the one from before the write."""
    shop = _Shop(cache)
    shop.read()
    with cache.writing(shop.left, 1):
        answer = shop.left.lookup(1)
        cache.delete_memoized(shop.left, 1)

    assert (answer.value, answer.outcome, answer.detail) == (10, Outcome.HIT, "writer-in-flight")


def test_replace_outside_of_writing_deletes(cache: Cache, spy: Spy) -> None:
    """Without begin, nothing says whether the value is the latest."""
    shop = _Shop(cache)
    shop.read()
    shop.left.replace(5, 1, 1)

    assert spy.raw("test:1") is None


@pytest.mark.parametrize(("value", "version"), [(object(), 1), (None, 1), (5, 0), (5, -1), (5, 2**53)])
def test_replace_deletes_when_the_value_or_the_version_cannot_be_stored(
    cache: Cache,
    spy: Spy,
    value: Any,  # noqa: ANN401 - any value
    version: int,
) -> None:
    """The write ends all the same."""
    shop = _Shop(cache)
    shop.read()
    with cache.writing(shop.left, 1):
        shop.left.replace(value, version, 1)

    assert spy.raw("test:1") is None


def test_replace_ends_only_its_own_write(cache: Cache, spy: Spy) -> None:
    """A write of another entry stays in flight. A second end in the same block deletes the entry."""
    shop = _Shop(cache)
    shop.stock[2] = 20
    with cache.writing(shop.left, 1), cache.writing(shop.left, 2):
        shop.left.replace(9, 1, 1)
        assert (spy.raw("test:1"), (spy.raw("test:2") or b"")[:6]) == (b"9", b"write:")
        cache.delete_memoized(shop.left, 1)
        assert spy.raw("test:1") is None
        shop.left.replace(19, 1, 2)

    assert spy.raw("test:2") == b"19"


def test_methods_can_be_replaced(cache: Cache) -> None:
    """Each object has its own entry."""

    class Account:
        def __init__(self, name: str) -> None:
            self.name = name

        def __repr__(self) -> str:
            return self.name

        @cache.memoize()
        def balance(self, currency: str) -> str:
            return f"{self.name} computed {currency}"

    one, two = Account("one"), Account("two")
    for account in (one, two):
        with cache.writing(account.balance, "EUR"):
            account.balance.replace(f"{account.name} replaced", 1, "EUR")

    assert [account.balance("EUR") for account in (one, two)] == ["one replaced", "two replaced"]


def test_replace_never_raises_for_redis_errors(valkey: ValkeyServer) -> None:
    """The delete is owed."""
    app, cache = application(redis_url=valkey.url, options={"overlap": 0})
    with app.app_context():
        shop = _Shop(cache)
        shop.sell()
        valkey.kill()
        shop.sell()
        counters = cache.counters()
        assert counters
        assert counters.owed == 1
        assert shop.read() == (8, Outcome.BYPASS)


@pytest.mark.parametrize("kind", STOCK_BACKENDS)
@pytest.mark.parametrize("replace", [True, False])
def test_replace_deletes_with_other_backends(valkey: ValkeyServer, kind: str, *, replace: bool) -> None:
    """So does a block without `replace`. The next read computes."""
    app, cache = application(kind, redis_url=valkey.url)
    with app.app_context():
        shop = _Shop(cache)
        assert shop.read()[0] == 10
        shop.sell(replace=replace)
        assert shop.read() == (9, Outcome.BYPASS if kind == "NullCache" else Outcome.STORED)
