"""Compare the application with the limit and with what a user could pick instead, scenario by scenario."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.arena import Arena, arena
from benchmarks.lineup import OURS, UNCACHED
from benchmarks.report import write_results
from benchmarks.scenarios import herd, hits, mix, outage, starting, writes

__all__ = ["SCENARIOS", "main"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One table: how it is measured, how in a hurry, and how it is shown."""

    measure: Callable[[Arena], Any]
    quick: Callable[[Arena], Any] | None
    show: Callable[[Any], str]


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "hits": Scenario(
        lambda arena: hits.measure(arena, rounds=5, seconds=4),
        lambda arena: hits.measure(arena, rounds=2, seconds=1),
        hits.show,
    ),
    "mix": Scenario(lambda arena: mix.measure(arena, cycles=2), None, mix.show),
    "writes": Scenario(lambda arena: writes.measure(arena, seconds=8), None, writes.show),
    "herd": Scenario(
        lambda arena: herd.measure(arena, herds=3),
        lambda arena: herd.measure(arena, herds=1, whom=[OURS, UNCACHED]),
        herd.show,
    ),
    "outage": Scenario(
        lambda arena: outage.measure(arena, absent=5),
        lambda arena: outage.measure(arena, absent=2, who=[OURS]),
        outage.show,
    ),
    "starting": Scenario(lambda arena: starting.measure(arena, starts=5), None, starting.show),
}


def main(chosen: Sequence[str] = (), *, quick: bool = False) -> None:
    """Measure the chosen scenarios (default: all), print the tables, write the results.

    `quick` is for a look only: it is shorter and leaves some out.

    Raises:
        WrongAnswerError: a contender answered wrongly; its speed would mean nothing.
        ServerError: a server did not start.

    """
    with tempfile.TemporaryDirectory() as directory, arena(Path(directory)) as ground:
        for name in chosen or SCENARIOS:
            scenario = SCENARIOS[name]
            measure = scenario.quick if quick else scenario.measure
            if measure is not None:
                data = measure(ground)
                write_results(name, data)
                print(f"{name}\n\n{scenario.show(data)}\n", flush=True)
