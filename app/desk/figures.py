"""The figures of the cache as the operators' pages show them: labels, units, and words for each state."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from flask import current_app

from app.caching import Counters, Freshness, Report, rate
from app.desk.wording import counted, instant, moment
from app.metrics import catalogue

Tone = Literal["good", "bad", ""]

STATES: Final = {
    "value": ("Stored", "good"),
    "absent": ("Not stored", ""),
    "lease": ("Being computed", ""),
    "writing": ("A change is being made", ""),
    "failure": ("Could not be computed", "bad"),
    "foreign": ("Unreadable, will be replaced", "bad"),
}
"""Words and tone for the states of an entry."""

SAMPLES: Final = (
    (Freshness.VERIFIED, "Equal to the database"),
    (Freshness.WRITER_IN_FLIGHT, "Different, a change was being made"),
    (Freshness.STALE, "Stale"),
    (Freshness.SKIPPED, "Not compared"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: its label, its value as text, a note below it, and whether it is good or bad."""

    label: str
    value: str
    note: str = ""
    tone: Tone = ""


def figures(report: Report) -> list[Figure]:
    """Return the most important figures. Those that the backend does not know are left out."""
    found = [_server(report)]
    if report.counters:
        found += [_hit_rate(report.counters), _breaker(), _owed()]
    return [*found, _memory(report.server.info)] if report.server.info else found


def freshness_counts(counters: Counters | None) -> list[tuple[str, int]] | None:
    """Return the results of the freshness sampler with their labels; None if it is off."""
    if not counters or not current_app.config["FRESHNESS_SAMPLE"]:
        return None
    return [(label, counters.events[result.counter]) for result, label in SAMPLES]


def error_counts(counters: Counters | None) -> list[tuple[str, int]]:
    """Return the kinds of Redis errors that have happened, the most frequent first."""
    events = counters.events if counters else {}
    found = [(name.removeprefix("error:"), number) for name, number in events.items() if name.startswith("error:")]
    return sorted(((kind, number) for kind, number in found if number), key=lambda each: -each[1])


def _server(report: Report) -> Figure:
    server = report.server
    if server.connected:
        return Figure("Redis", "Connected", f"{server.server or report.backend}, ping {server.latency_ms} ms", "good")
    if report.enabled:
        return Figure("Redis", "Unavailable", "All numbers are read from the database until it is back.", "bad")
    stores = report.backend != "NullCache"
    kept = f"{report.backend}: numbers stay in the worker." if stores else "All numbers are read from the database."
    return Figure("Redis", "Not in use", kept)


def _hit_rate(counters: Counters) -> Figure:
    share = rate(counters.hits, counters.misses)
    note = f"{counted(counters.hits, 'hit')}, {counters.misses:,} missed since {moment(instant(counters.since))}"
    return Figure("Hit rate", "No reads yet" if share is None else f"{share} %", note)


def _breaker() -> Figure:
    down, workers = catalogue.REDIS_DOWN.now(), catalogue.WORKERS.now()
    if not down:
        return Figure("Circuit breaker", "Closed", "Every worker asks Redis.", "good")
    return Figure("Circuit breaker", "Open", f"{down} of {counted(workers, 'worker')} without Redis", "bad")


def _owed() -> Figure:
    owed = catalogue.OWED_DELETES.now()
    note = "They are delivered when Redis answers." if owed else "Redis has received every change."
    return Figure("Owed deletes", f"{owed:,}", note, "bad" if owed else "")


def _memory(info: dict[str, Any]) -> Figure:
    limit = info.get("maxmemory")
    of = f"of {info.get('maxmemory_human')}" if limit else "no limit"
    policy = info.get("maxmemory_policy", "policy unknown")
    return Figure("Memory", str(info.get("used_memory_human", "Unknown")), f"{of}, {policy}")
