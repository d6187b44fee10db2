"""Tests of memoized methods: each object and each class has its own entries."""

import pytest

from app.caching import Cache, Outcome
from tests.caching.applications import CallRecorder, Shop, ShopWithRepr, add_price_methods


@pytest.mark.parametrize("base", [Shop, ShopWithRepr])
def test_memoized_method_has_separate_entries_for_each_object(cache: Cache, recorder: CallRecorder, base: type) -> None:
    """They can be deleted for one call, for one object, or for all objects."""
    kind = add_price_methods(cache, base, recorder)
    full, half = kind(10), kind(5)
    assert [full.price(30), full.price(30), half.price(30), kind.price(full, 30)] == [300, 300, 150, 300]
    assert recorder.calls == [(10, 30), (5, 30)]

    for delete, computed in (
        (lambda: cache.delete_memoized(full.price, 30), [(10, 30)]),
        (lambda: cache.delete_memoized(full.price, full, 30), [(10, 30)]),
        (lambda: cache.delete_memoized(kind.price, full, 30), [(10, 30)]),
        (lambda: cache.delete_memoized(full.price), [(10, 30)]),
        (full.price.delete_memoized, [(10, 30), (5, 30)]),  # all objects, as in Flask-Caching
        (lambda: cache.delete_memoized(kind.price), [(10, 30), (5, 30)]),
    ):
        recorder.calls.clear()
        delete()
        assert (full.price(30), half.price(30)) == (300, 150)
        assert recorder.calls == computed
    assert full.price.lookup(30).outcome is Outcome.HIT


def test_new_object_never_gets_entries_of_a_deleted_one(cache: Cache, recorder: CallRecorder) -> None:
    """Even if Python reuses the address of the deleted object."""
    kind = add_price_methods(cache, Shop, recorder)

    assert [kind(rate).price(1) for rate in range(20)] == list(range(20))


def test_object_without_a_stable_key_is_refused(cache: Cache, recorder: CallRecorder) -> None:
    """Otherwise different objects could share entries."""
    kind = add_price_methods(cache, Shop, recorder)

    class Bare:
        __slots__ = ()
        price = kind.price

    with pytest.raises(TypeError, match="__caching_id__"):
        Bare().price(1)


def test_memoized_classmethod_has_separate_entries_for_each_class(cache: Cache, recorder: CallRecorder) -> None:
    """A subclass has its own entries."""
    kind = add_price_methods(cache, Shop, recorder)

    class Other(kind):  # type: ignore[misc, valid-type]
        pass

    assert [kind.name("hi"), kind.name("hi"), Other.name("hi")] == ["hi Priced", "hi Priced", "hi Other"]
    cache.delete_memoized(kind.name)
    kind.name("hi")
    Other.name("hi")
    assert recorder.calls == [("Priced", "hi"), ("Other", "hi"), ("Priced", "hi")]
