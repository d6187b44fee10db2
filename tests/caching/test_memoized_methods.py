"""Memoized methods: each object, and each class, has results of its own."""

import pytest

from app.caching import Cache, Outcome
from tests.caching.applications import Counted, NamedShop, Shop, with_price


@pytest.mark.parametrize("base", [Shop, NamedShop])
def test_a_memoized_method_is_bound_to_its_object(cache: Cache, counted: Counted, base: type) -> None:
    """Each object has entries of its own; they can be dropped for one call, for one object, and for all."""
    kind = with_price(cache, base, counted)
    full, half = kind(10), kind(5)
    assert [full.price(30), full.price(30), half.price(30), kind.price(full, 30)] == [300, 300, 150, 300]
    assert counted.calls == [(10, 30), (5, 30)]

    for delete, computed in (
        (lambda: cache.delete_memoized(full.price, 30), [(10, 30)]),
        (lambda: cache.delete_memoized(full.price, full, 30), [(10, 30)]),
        (lambda: cache.delete_memoized(kind.price, full, 30), [(10, 30)]),
        (lambda: cache.delete_memoized(full.price), [(10, 30)]),
        (full.price.delete_memoized, [(10, 30), (5, 30)]),  # for all objects, as in Flask-Caching
        (lambda: cache.delete_memoized(kind.price), [(10, 30), (5, 30)]),
    ):
        counted.calls.clear()
        delete()
        assert (full.price(30), half.price(30)) == (300, 150)
        assert counted.calls == computed
    assert full.price.lookup(30).outcome is Outcome.HIT


def test_a_new_object_never_gets_the_entries_of_one_that_is_gone(cache: Cache, counted: Counted) -> None:
    """Though Python gives it the same address."""
    kind = with_price(cache, Shop, counted)

    assert [kind(rate).price(1) for rate in range(20)] == list(range(20))


def test_objects_that_cannot_be_told_apart_are_refused(cache: Cache, counted: Counted) -> None:
    """Rather than mixed up."""
    kind = with_price(cache, Shop, counted)

    class Bare:
        __slots__ = ()
        price = kind.price

    with pytest.raises(TypeError, match="__caching_id__"):
        Bare().price(1)


def test_a_memoized_classmethod_is_bound_to_its_class(cache: Cache, counted: Counted) -> None:
    """A subclass is another one."""
    kind = with_price(cache, Shop, counted)

    class Other(kind):  # type: ignore[misc, valid-type]
        pass

    assert [kind.name("hi"), kind.name("hi"), Other.name("hi")] == ["hi Priced", "hi Priced", "hi Other"]
    cache.delete_memoized(kind.name)
    kind.name("hi")
    Other.name("hi")
    assert counted.calls == [("Priced", "hi"), ("Other", "hi"), ("Priced", "hi")]
