"""The whole product under load and faults: no read is stale, no 5xx comes from Redis, no acknowledged change is lost.

`make soak MINUTES=` runs the same for longer, a minute at a time, and watches the workers' memory.
"""

import os
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from local.processes import wait_until
from local.supabase import SupabaseServer
from tests.freshness.faults import DATABASE, DEATH, Struck, Weather, storm
from tests.freshness.history import Kind, Operation, hits, outcome, violations
from tests.freshness.load import Load
from tests.freshness.scene import Scene, Stage

pytestmark = pytest.mark.proof
MINUTES: Final = float(os.environ.get("SOAK_MINUTES", "0"))
_ROUND: Final = 60.0 if MINUTES else 12.0  # seconds
_AFTERMATH: Final = 3.0  # seconds a failed computation may be remembered, and a request be under way

_PRESENT: Final = """
    select asin from public.products p
    where user_id = $1 and exists (select 1 from public.deals d where d.product_id = p.id and d.active)
"""


@dataclass(frozen=True, slots=True)
class Round:
    """What happened in one stretch of load under faults."""

    history: list[Operation]
    struck: list[Struck]
    memory: dict[int, int]

    def __str__(self) -> str:
        """Return a short report: rates, faults, memory of the workers."""
        kinds = Counter(operation.kind for operation in self.history)
        answers = Counter(operation.status for operation in self.history)
        faults = Counter(each.name for each in self.struck)
        memory = ", ".join(f"{pid}: {kilobytes / 1024:.1f} MB" for pid, kilobytes in sorted(self.memory.items()))
        return (
            f"{kinds[Kind.READ]} reads ({hits(self.history)} hits), "
            f"{kinds[Kind.CREATE]} creates, {kinds[Kind.DELETE]} deletes; "
            f"answers {dict(sorted(answers.items()))}; faults {dict(sorted(faults.items()))}; memory {memory}"
        )


def test_nothing_that_goes_wrong_makes_a_read_stale(stage: Stage, dice: random.Random) -> None:
    """Everything a machine room has to offer, at random moments."""
    rounds = max(1, round(MINUTES))
    hurried = {"REDIS_READ_TIMEOUT": "0.03"}  # as deployed, so that reads time out in many a fault
    with stage("ours", proxied=True, fill_delay=0.01, **hurried) as scene:
        memory = []
        for number in range(1, rounds + 1):
            done = _round(scene, dice, kills=number == rounds)
            print(f"round {number}: {done}")  # noqa: T201 - the soak's report
            memory.append(done.memory)
        assert scene.server.is_running()
    _does_not_grow(memory[1:-1])


def _round(scene: Scene, dice: random.Random, *, kills: bool) -> Round:
    """Run one stretch with new sellers. Workers are killed in the last one only, so that memory can be watched."""
    with scene.sellers(6) as sellers:
        load = Load(scene.server.port, sellers, seed=dice.random(), readers=1, think=0.4)
        with load:
            weather = Weather(scene, load, dice)
            struck = list(storm(weather, seconds=_ROUND, without=frozenset() if kills else frozenset({DEATH})))
            assert wait_until(lambda: hits(load.history) > 100, seconds=30), "the cache was hardly used"
        history = load.history
        done = Round(history, struck, _memory(history))
        _judge(history, struck)
        for seller in sellers:
            _all_kept(scene.supabase, history, seller.id)
    return done


def _judge(history: Sequence[Operation], struck: Sequence[Struck]) -> None:
    stale = violations(history)
    assert not stale, "\n".join(map(str, stale[:5]))
    unexplained = [each for each in history if not _is_explained(each, struck)]
    assert not unexplained, "\n".join(map(str, unexplained[:5]))


def _is_explained(operation: Operation, struck: Iterable[Struck]) -> bool:
    """Say whether an answer is as it should be, given what was wrong at the time."""
    if operation.status in {200, 201, 204}:
        return True
    causes = DATABASE if operation.status == 503 else {DEATH} if operation.status == 0 else set()
    return any(
        each.name in causes and each.started < operation.ended and operation.started < each.ended + _AFTERMATH
        for each in struck
    )


def _all_kept(supabase: SupabaseServer, history: Iterable[Operation], user: str) -> None:
    """Compare the database with what its owner was told."""
    stored = {row["asin"] for row in supabase.sql(_PRESENT, user)}
    present, absent = outcome(history, user)
    assert present <= stored, f"acknowledged, but not there: {present - stored}"
    assert not absent & stored, f"deleted, but there: {absent & stored}"


def _memory(history: Iterable[Operation]) -> dict[int, int]:
    """Return the resident memory, in kB, of the workers that still live; nothing where there is no /proc."""
    found = {}
    for pid in {int(each.worker) for each in history if each.worker}:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        found[pid] = int(status.partition("VmRSS:")[2].split()[0])
    return found


def _does_not_grow(memory: Sequence[dict[int, int]]) -> None:
    """Compare the first and the last of several rounds."""
    if memory:
        first, last = sum(memory[0].values()), sum(memory[-1].values())
        assert last < 1.1 * first + 10_000, f"{first} kB have become {last} kB"
