"""The checker finds what it is there to find: engines that are known to be wrong are caught within seconds."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pytest

from local.processes import wait_until
from tests.freshness.history import Violation, hits, violations
from tests.freshness.load import Load
from tests.freshness.scene import QUICK, Scene, Stage
from tests.sellers import Seller

_DEADLINE: Final = 60.0  # seconds
_SCENES: Final = 2  # the dice may keep sellers and readers apart for a whole scene
_FILL_DELAY: Final = 0.25  # seconds: long enough for a change to fit in

Trouble = Callable[[Scene, Load, random.Random], None]


def _nothing(_: Scene, load: Load, __: random.Random) -> None:
    load.pause(0.5)


def _a_worker_dies(_: Scene, load: Load, dice: random.Random) -> None:
    load.doom()
    load.pause(dice.uniform(1, 2))


def _redis_hangs(scene: Scene, load: Load, dice: random.Random) -> None:
    """Hang for longer than the timeout, and let sellers change things as soon as the breakers are open."""
    load.pause(dice.uniform(0.2, 0.5))
    with load.only_reads():
        scene.valkey.pause()
        load.pause(QUICK + 0.1)
    load.pause(dice.uniform(0.2, 0.5))
    scene.valkey.resume()
    load.pause(0.1)


def _redis_hangs_unnoticed(scene: Scene, load: Load, dice: random.Random) -> None:
    """Let one of the two workers miss the whole outage; it wakes up when Redis does."""
    load.pause(dice.uniform(0.2, 0.5))
    with load.only_reads():
        idle = int(next(each.worker for each in load.history if each.worker))
        os.kill(idle, signal.SIGSTOP)
        scene.valkey.pause()
        load.pause(QUICK + 0.1)
    load.pause(dice.uniform(0.2, 0.5))
    scene.valkey.resume()
    os.kill(idle, signal.SIGCONT)
    load.pause(0.3)


_MUTANTS: Final[dict[str, Trouble]] = {
    "stock memoize": _nothing,
    "get, setex, delete": _nothing,
    "no lease check": _nothing,
    "no tombstone": _a_worker_dies,
    "no owed deletes": _redis_hangs,
    "no shared marks": _redis_hangs_unnoticed,
}


@pytest.mark.proof
@pytest.mark.timeout(200)
@pytest.mark.parametrize("variant", _MUTANTS)
def test_a_wrong_engine_is_caught(stage: Stage, dice: random.Random, variant: str) -> None:
    """Each lacks what protects against the trouble it is put into."""
    found = next((violation for _ in range(_SCENES) for violation in _found(stage, dice, variant)), None)
    assert found, f"no violation in {_SCENES} scenes of {_DEADLINE:g} s"
    print(f"{variant}: {found}")  # noqa: T201 - shown with -s: what a violation looks like


def _found(stage: Stage, dice: random.Random, variant: str) -> Iterator[Violation]:
    """Yield violations until the deadline."""
    trouble = _MUTANTS[variant]
    with stage(variant, fill_delay=_FILL_DELAY) as scene, scene.sellers(4) as sellers:
        load = _load(scene, sellers, dice)
        with load:
            deadline = time.monotonic() + _DEADLINE
            while time.monotonic() < deadline:
                trouble(scene, load, dice)
                yield from violations(load.history)
        print(Counter(each.note.partition(" worker")[0] for each in load.history))  # noqa: T201 - shown when it fails


def _load(scene: Scene, sellers: Sequence[Seller], dice: random.Random) -> Load:
    """Return a load of not too many changes: each one also takes away what an earlier one should have."""
    return Load(scene.server.port, sellers, seed=dice.random(), looks=True, writers=1, think=0.3)


def test_our_engine_is_clean_in_all_of_these_troubles(stage: Stage, dice: random.Random) -> None:
    """The same load and the same delay, one trouble after the other."""
    with stage("ours", fill_delay=_FILL_DELAY) as scene, scene.sellers(4) as sellers:
        load = _load(scene, sellers, dice)
        with load:
            for trouble in (_nothing, _redis_hangs, _redis_hangs_unnoticed, _redis_hangs_unnoticed, _a_worker_dies):
                trouble(scene, load, dice)
            assert wait_until(lambda: hits(load.history) > 30, seconds=20)
    found = violations(load.history)
    assert not found, "\n".join(map(str, found[:5]))
