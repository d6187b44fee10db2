"""The bounded memory: expiry, capacity and eviction."""

import threading

from app.auth.memory import BoundedMemory
from tests.auth.minting import Clock


def test_a_value_is_recalled_until_it_expires() -> None:
    """`until` is exclusive, and an expired value is removed."""
    clock = Clock(100)
    memory: BoundedMemory[str, int] = BoundedMemory(10, clock=clock)
    memory.remember("a", 1, until=160)
    clock.advance(59.9)
    assert memory.recall("a") == 1
    clock.advance(0.1)
    assert memory.recall("a") is None
    assert len(memory) == 0


def test_an_expired_value_is_not_stored() -> None:
    """A value that could never be recalled is not stored."""
    memory: BoundedMemory[str, int] = BoundedMemory(10, clock=Clock(100))
    memory.remember("a", 1, until=100)
    assert len(memory) == 0


def test_the_least_recently_used_value_is_evicted() -> None:
    """A recall counts as use."""
    memory: BoundedMemory[str, int] = BoundedMemory(2, clock=Clock(0))
    memory.remember("a", 1, until=10)
    memory.remember("b", 2, until=10)
    assert memory.recall("a") == 1
    memory.remember("c", 3, until=10)
    assert (memory.recall("a"), memory.recall("b"), memory.recall("c")) == (1, None, 3)


def test_a_false_value_is_remembered() -> None:
    """Only None means that there is no value."""
    memory: BoundedMemory[str, bool] = BoundedMemory(2, clock=Clock(0))
    memory.remember("a", False, until=10)  # noqa: FBT003 - the value is the point
    assert memory.recall("a") is False


def test_threads_never_mix_up_values_or_exceed_the_capacity() -> None:
    """Each key returns only its own value while other threads write and evict."""
    memory: BoundedMemory[int, int] = BoundedMemory(16, clock=Clock(0))
    wrong: list[tuple[int, int]] = []

    def work(seed: int) -> None:
        for step in range(2_000):
            key = (seed * 7 + step) % 40
            value = memory.recall(key)
            if value not in (None, key * 1000):
                wrong.append((key, value))
            memory.remember(key, key * 1000, until=10)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(memory) == 16
