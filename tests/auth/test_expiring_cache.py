"""The bounded cache: expiry, capacity and eviction."""

import threading

from app.auth.expiring_cache import ExpiringCache
from tests.auth.minting import Clock


def test_a_value_is_recalled_until_it_expires() -> None:
    """`until` is exclusive, and an expired value is removed."""
    clock = Clock(100)
    cache: ExpiringCache[str, int] = ExpiringCache(10, clock=clock)
    cache.put("a", 1, until=160)
    clock.advance(59.9)
    assert cache.get("a") == 1
    clock.advance(0.1)
    assert cache.get("a") is None
    assert len(cache) == 0


def test_an_expired_value_is_not_stored() -> None:
    """A value that could never be recalled is not stored."""
    cache: ExpiringCache[str, int] = ExpiringCache(10, clock=Clock(100))
    cache.put("a", 1, until=100)
    assert len(cache) == 0


def test_the_least_recently_used_value_is_evicted() -> None:
    """A recall counts as use."""
    cache: ExpiringCache[str, int] = ExpiringCache(2, clock=Clock(0))
    cache.put("a", 1, until=10)
    cache.put("b", 2, until=10)
    assert cache.get("a") == 1
    cache.put("c", 3, until=10)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)


def test_a_false_value_is_cached() -> None:
    """Only None means that there is no value."""
    cache: ExpiringCache[str, bool] = ExpiringCache(2, clock=Clock(0))
    cache.put("a", False, until=10)  # noqa: FBT003 - the value is the point
    assert cache.get("a") is False


def test_threads_never_mix_up_values_or_exceed_the_capacity() -> None:
    """Each key returns only its own value while other threads write and evict."""
    cache: ExpiringCache[int, int] = ExpiringCache(16, clock=Clock(0))
    wrong: list[tuple[int, int]] = []

    def work(seed: int) -> None:
        for step in range(2_000):
            key = (seed * 7 + step) % 40
            value = cache.get(key)
            if value not in (None, key * 1000):
                wrong.append((key, value))
            cache.put(key, key * 1000, until=10)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(cache) == 16
