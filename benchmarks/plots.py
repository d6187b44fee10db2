"""Draw the plots of docs/performance.md."""

from pathlib import Path
from typing import Final

from benchmarks.capacity import WORKERS_PER_INSTANCE, mean_wait, simulated_queue
from benchmarks.lineup import CONTENDERS
from benchmarks.report import bar_plot, line_plot, read_results

__all__ = ["draw"]

_UTILISATIONS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9)


def draw(directory: Path) -> None:
    """Draw all plots into `directory` from the stored results."""
    _throughput(directory / "performance-hits.svg")
    _outage(directory / "performance-outage.svg")
    _waiting(directory / "performance-waiting.svg")


def _throughput(path: Path) -> None:
    rounds = read_results("hits")["rounds"]
    bars = {each.name: [one["per_second"] for one in rounds[each.name]] for each in CONTENDERS}
    bar_plot(
        path, "All hits, one worker on one core: median, and the spread of the rounds", "requests per second", bars
    )


def _outage(path: Path) -> None:
    contenders = read_results("outage")["contenders"]
    series = {name: [(t, n) for t, n in figures["timeline"]] for name, figures in contenders.items()}
    line_plot(path, "Redis frozen from second 0 to 5", "seconds", "answers per second", series, log_y=True)


def _waiting(path: Path) -> None:
    """Draw the mean wait in units of the service time, which does not depend on the machine."""
    formula, simulation = list[tuple[float, float]](), list[tuple[float, float]]()
    for utilisation in _UTILISATIONS:
        rate = utilisation * WORKERS_PER_INSTANCE
        formula.append((utilisation, mean_wait(rate, 1, WORKERS_PER_INSTANCE)))
        simulated = simulated_queue(rate, 1, WORKERS_PER_INSTANCE, requests=400_000, seed=7)
        simulation.append(simulated)
    title = f"{WORKERS_PER_INSTANCE} workers on one socket: wait before service"
    series = {"Erlang C": formula, "simulation": simulation}
    line_plot(path, title, "utilisation", "mean wait, in service times", series)
