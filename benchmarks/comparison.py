"""Compare the application with a bare Flask view and with other caching libraries, scenario by scenario."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.environment import BenchmarkEnvironment, new_environment
from benchmarks.lineup import OURS, UNCACHED
from benchmarks.report import write_results
from benchmarks.scenarios import herd, hits, mix, outage, starting, work, writes

__all__ = ["SCENARIOS", "main"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario: its measurement, its quick measurement (None: it has none), and its table."""

    measure: Callable[[BenchmarkEnvironment], Any]
    quick: Callable[[BenchmarkEnvironment], Any] | None
    show: Callable[[Any], str]


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "hits": Scenario(
        lambda environment: hits.measure(environment, rounds=5, seconds=4),
        lambda environment: hits.measure(environment, rounds=2, seconds=1),
        hits.show,
    ),
    "mix": Scenario(lambda environment: mix.measure(environment, cycles=2), None, mix.show),
    "writes": Scenario(lambda environment: writes.measure(environment, seconds=8), None, writes.show),
    "work": Scenario(lambda environment: work.measure(environment, products=50, rows=20_000), None, work.show),
    "herd": Scenario(
        lambda environment: herd.measure(environment, herds=3),
        lambda environment: herd.measure(environment, herds=1, contenders=[OURS, UNCACHED]),
        herd.show,
    ),
    "outage": Scenario(
        lambda environment: outage.measure(environment, down_seconds=5),
        lambda environment: outage.measure(environment, down_seconds=2, contenders=[OURS]),
        outage.show,
    ),
    "starting": Scenario(lambda environment: starting.measure(environment, starts=5), None, starting.show),
}


def main(chosen: Sequence[str] = (), *, quick: bool = False) -> None:
    """Measure the chosen scenarios (default: all), print the tables, write the results.

    With `quick`, the measurements are shorter and some scenarios are skipped.

    Raises:
        WrongAnswerError: a contender gave a wrong answer, so its speed has no meaning.
        ServerError: a server did not start.

    """
    with tempfile.TemporaryDirectory() as directory, new_environment(Path(directory)) as running:
        for name in chosen or SCENARIOS:
            scenario = SCENARIOS[name]
            measure = scenario.quick if quick else scenario.measure
            if measure is not None:
                data = measure(running)
                write_results(name, data)
                print(f"{name}\n\n{scenario.show(data)}\n", flush=True)
