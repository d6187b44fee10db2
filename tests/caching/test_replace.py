"""Tests of `replace`: a write leaves its result in the entry."""

from app.caching import Cache, Outcome
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
