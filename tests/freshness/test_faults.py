"""Tests of the whole product under load and faults: no stale read, no 5xx caused by Redis, no acknowledged change lost.

`make soak MINUTES=` runs the same test in rounds of one minute, and checks that the workers' memory does not grow.
"""

import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest

from local.processes import wait_until
from local.supabase import SupabaseServer
from tests.freshness.faults import DATABASE_FAULTS, WORKER_KILLED, FaultContext, InjectedFault, inject_faults
from tests.freshness.history import Kind, Operation, certain_products, hits, violations
from tests.freshness.linearizability import Judgement, judge, summary
from tests.freshness.load import Load
from tests.freshness.system import StartSystem, System

pytestmark = pytest.mark.proof
MINUTES: Final = float(os.environ.get("SOAK_MINUTES", "0"))
_ROUND: Final = 60.0 if MINUTES else 12.0  # seconds
_AFTERMATH: Final = 3.0  # seconds that a fault may still affect requests: a failure mark and requests in flight

_METRICS_TOKEN: Final = "0123456789abcdef0123456789abcdef"
_STALE: Final = "a sampled answer from the cache was stale"

_PRESENT: Final = """
    select asin from public.products p
    where user_id = $1 and exists (select 1 from public.deals d where d.product_id = p.id and d.active)
"""


@dataclass(frozen=True, slots=True)
class Round:
    """The results of one round of load with faults."""

    history: list[Operation]
    injected: list[InjectedFault]
    memory: dict[int, int]
    judgements: list[Judgement]

    @property
    def imported(self) -> int:
        """The number of rows in the batches that were imported."""
        return sum(each.amount for each in self.history if each.kind is Kind.CREATE and each.amount > 1 and each.done)

    def __str__(self) -> str:
        """Return a short report: operations, answers, faults, the second judge's view and the workers' memory."""
        kinds = Counter(operation.kind for operation in self.history)
        answers = Counter(operation.status for operation in self.history)
        faults = Counter(each.name for each in self.injected)
        memory = ", ".join(f"{pid}: {kilobytes / 1024:.1f} MB" for pid, kilobytes in sorted(self.memory.items()))
        return (
            f"{kinds[Kind.READ]} reads ({hits(self.history)} hits), "
            f"{kinds[Kind.CREATE]} creates, {kinds[Kind.DELETE]} deletes; "
            f"{self.imported} imported rows; answers {dict(sorted(answers.items()))}; "
            f"faults {dict(sorted(faults.items()))}; {summary(self.judgements)}; memory {memory}"
        )


def test_no_fault_makes_a_read_stale(start_system: StartSystem, rng: random.Random) -> None:
    """All kinds of faults, at random times."""
    rounds = max(1, round(MINUTES))
    settings = {
        "REDIS_READ_TIMEOUT": "0.03",  # the default in production, so reads time out during many faults
        "FRESHNESS_SAMPLE": "1",
        "METRICS_TOKEN": _METRICS_TOKEN,
    }
    with start_system("ours", proxied=True, fill_delay=0.01, **settings) as system:
        memory = []
        for number in range(1, rounds + 1):
            done = _round(system, rng, kills=number == rounds)
            print(f"round {number}: {done}")  # noqa: T201 - the soak's report
            print(f"samples so far: {_samples(system)}")  # noqa: T201 - same
            memory.append(done.memory)
            assert _STALE not in system.log.read_text(), "the sampler found a stale answer"
        assert system.server.is_running()
    _check_memory(memory[1:-1])


def _round(system: System, rng: random.Random, *, kills: bool) -> Round:
    """Run one round with new sellers. Workers are killed only in the last round, so their memory can be compared."""
    with system.sellers(6) as sellers:
        load = Load(system.server.port, sellers, seed=rng.random(), readers=1, importers=1, think_time=0.4)
        with load:
            context = FaultContext(system, load, rng)
            without = frozenset[str]() if kills else frozenset({WORKER_KILLED})
            injected = list(inject_faults(context, seconds=_ROUND, without=without))
            assert wait_until(lambda: hits(load.history) > 100, seconds=30), "the cache was hardly used"
        history = load.history
        done = Round(history, injected, _memory(history), judge(history))
        _check_answers(history, injected)
        for seller in sellers:
            _check_database(system.supabase, history, seller.id)
    return done


def _samples(system: System) -> dict[str, int]:
    """Return the counts of the freshness sampler by result."""
    headers = {"Authorization": f"Bearer {_METRICS_TOKEN}"}
    text = httpx.get(f"{system.server.url}/metrics", headers=headers).text
    found = re.findall(r'^asin_desk_freshness_samples_total\{result="([a-z-]+)"\} ([0-9.e+]+)$', text, re.MULTILINE)
    return {result: int(float(number)) for result, number in found}


def _check_answers(history: Sequence[Operation], injected: Sequence[InjectedFault]) -> None:
    stale = violations(history)
    assert not stale, "\n".join(map(str, stale[:5]))
    unexplained = [each for each in history if not _is_explained(each, injected)]
    assert not unexplained, "\n".join(map(str, unexplained[:5]))


def _is_explained(operation: Operation, injected: Iterable[InjectedFault]) -> bool:
    """Return whether the answer is a success, or an error that a fault at that time explains."""
    if operation.status in {200, 201, 204}:
        return True
    causes = DATABASE_FAULTS if operation.status == 503 else {WORKER_KILLED} if operation.status == 0 else set()
    return any(
        each.name in causes and each.started < operation.ended and operation.started < each.ended + _AFTERMATH
        for each in injected
    )


def _check_database(supabase: SupabaseServer, history: Iterable[Operation], user: str) -> None:
    """Compare the user's products in the database with the answers that the user received."""
    stored = {row["asin"] for row in supabase.sql(_PRESENT, user)}
    present, absent = certain_products(history, user)
    assert present <= stored, f"creation acknowledged, but missing: {present - stored}"
    assert not absent & stored, f"deletion acknowledged, but present: {absent & stored}"


def _memory(history: Iterable[Operation]) -> dict[int, int]:
    """Return the resident memory in kB of the workers that are still running; empty without /proc."""
    found = {}
    for pid in {int(each.worker) for each in history if each.worker}:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        found[pid] = int(status.partition("VmRSS:")[2].split()[0])
    return found


def _check_memory(memory: Sequence[dict[int, int]]) -> None:
    """Check that the workers' memory did not grow between the first and the last round."""
    if memory:
        first, last = sum(memory[0].values()), sum(memory[-1].values())
        assert last < 1.1 * first + 10_000, f"memory grew from {first} kB to {last} kB"
