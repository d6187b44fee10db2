"""Create the sentences and tables of docs/performance.md that contain measured figures."""

from statistics import median
from typing import Any, Final

from benchmarks.capacity import TTL, Costs, Plan, plan
from benchmarks.environment import DATABASE_SECONDS
from benchmarks.lineup import CACHED, LIMIT, OURS, UNCACHED
from benchmarks.report import table
from benchmarks.scenarios.hits import cpu_ratio, ratio, share_of_core

__all__ = ["aims", "bounds", "claim", "conditions", "costs", "plans"]

_RATES: Final = (10_000, 100_000, 1_000_000)
_AIMS: Final = {"memoize": "2.0", "original": "1.15"}
_MILLION: Final = 1e6
_UNDISTURBED: Final = 0.9
"""Minimum share of its core that the server must get; below it, the figures are marked as preliminary."""

_EXPECTED_BEFORE: Final = 276
_EXPECTED_AFTER: Final = 20


def conditions(hits: dict[str, Any]) -> str:
    """Return a description of the machine, the load generator and the disturbance by other programs."""
    generator = "wrk" if hits["generator"] == "wrk" else "our own load clients (wrk was not installed)"
    where = (
        "the server on one core; the load generator, Valkey and the database on another"
        if hits["separate_cores"]
        else "everything on one core because there was no second one: compare the ratios, not the rates"
    )
    share = share_of_core(hits)
    return (
        f"Python {hits['python']}, {hits['machine']}; {where}. Load generator: {generator}, {hits['connections']} "
        f"connections, {hits['users']} users. {len(hits['rounds'][OURS.name])} interleaved rounds. "
        + ("" if share > _UNDISTURBED else "**Preliminary:** ")
        + f"Other programs took {1 - min(1, share):.0%} of the servers' core."
    )


def aims(
    hits: dict[str, Any], mix: dict[str, Any], herd: dict[str, Any], outage: dict[str, Any], starting: dict[str, Any]
) -> str:
    """Return the table of our application's figures next to their aims."""
    means = {contender: mix["contenders"][contender.name]["mean_ms"] for contender in (OURS, UNCACHED)}
    calls = median(each["database_calls"] for each in herd["contenders"][OURS.name])
    killed, hung = (outage["contenders"][OURS.name][name] for name in ("killed", "hung"))
    rows = [
        *_aims_of_hits(hits),
        ["90 % hits: times faster than without a cache", f"{means[UNCACHED] / means[OURS]:.1f}", "10"],
        ["herd: database calls", f"{calls:.0f}", "1"],
        ["p99, Redis hung ÷ Redis killed", f"{hung['p99_ms'] / killed['p99_ms']:.2f}", "at most 1.2"],
        ["cold start of a worker", f"{median(each['worker'] for each in starting[OURS.name]):.2f} s", "at most 1.0 s"],
        ["memory of a worker", f"{hits['megabytes'][OURS.name]:.0f} MB", "at most 90 MB"],
    ]
    return table(["ours", "measured", "aim"], rows)


def _aims_of_hits(hits: dict[str, Any]) -> list[list[str]]:
    alone = median(each["alone_p50_ms"] for each in hits["rounds"][OURS.name])
    others = [contender for contender in CACHED if contender is not OURS]
    return [
        ["all hits: share of the limit's throughput", f"{ratio(hits, OURS, LIMIT):.2f}", "0.75, better 0.85"],
        ["the same by processor time", f"{cpu_ratio(hits, OURS):.2f}", "0.75, better 0.85"],
        *(
            [
                f"all hits: times faster than {contender.what}",
                f"{ratio(hits, OURS, contender):.2f}",
                _AIMS.get(contender.name, "1"),
            ]
            for contender in others
        ),
        ["one hit at a time: median latency", f"{alone:.2f} ms", "at most 1 ms"],
    ]


def claim(mix: dict[str, Any]) -> str:
    """Compare the measured speed-up with the one that the original expected from its cache."""
    figures = mix["contenders"]
    ours, without = figures[OURS.name], figures[UNCACHED.name]
    return (
        f"The original expected {_EXPECTED_BEFORE} ms → {_EXPECTED_AFTER} ms, "
        f"{_EXPECTED_BEFORE / _EXPECTED_AFTER:.1f} times faster, with 90 % hits. We measured "
        f"{without['mean_ms']:.1f} ms → {ours['mean_ms']:.1f} ms, {without['mean_ms'] / ours['mean_ms']:.1f} times "
        f"faster. In this measurement each database call takes {DATABASE_SECONDS * 1000:.0f} ms, the time of the "
        f"original's database, in addition to the time of our database. {ours['asked_database']:.1%} of the reads "
        f"called the database. With this share no cache can be more than {1 / ours['asked_database']:.1f} times "
        f"faster, unless requests without a cache wait in a queue."
    )


def bounds(hits: dict[str, Any]) -> str:
    """Return the table that splits the processor time of a hit."""
    cost, limit = Costs.of(hits, OURS.name), Costs.of(hits, LIMIT.name)
    rows = [
        ["a hit, in the worker", cost.worker_seconds * _MILLION],
        ["- gunicorn and Flask: the limit", limit.worker_seconds * _MILLION],
        ["- our code: identity, Redis, headers, counters", (cost.worker_seconds - limit.worker_seconds) * _MILLION],
        ["a hit, in Redis", cost.redis_seconds * _MILLION],
    ]
    return table(["processor time", "µs"], rows)


def costs(hits: dict[str, Any]) -> str:
    """Return what a million hits cost, per contender."""
    rows = []
    for contender in CACHED:
        cost = Costs.of(hits, contender.name)
        trips = sorted(each["redis_round_trips"] for each in hits["rounds"][contender.name])
        rows.append(
            [
                contender.what,
                round(cost.worker_seconds * _MILLION),
                f"{trips[len(trips) // 2]:.1f} M",
                round(cost.redis_seconds * _MILLION),
                f"{cost.redis_bytes * _MILLION / 1e9:.2f}",
                f"{cost.http_bytes * _MILLION / 1e9:.2f}",
                round(cost.entry_bytes),
            ]
        )
    headers = ["a million hits", "worker CPU, s", "Redis round trips", "Redis CPU, s", "Redis traffic, GB"]
    return table([*headers, "HTTP traffic, GB", "entry, bytes per user"], rows)


def plans(hits: dict[str, Any]) -> str:
    """Return the table of the calculated capacity plans."""
    made = [plan(rate, Costs.of(hits, OURS.name)) for rate in _RATES]
    lines: list[tuple[str, list[object]]] = [
        ("workers, one core each", [each.workers for each in made]),
        ("instances", [each.instances for each in made]),
        ("mean wait for a worker, µs", [each.wait * _MILLION for each in made]),
        ("Redis shards", [each.shards for each in made]),
        ("maximum connections to each shard", [each.connections for each in made]),
        ("traffic of each shard, Mbit/s", [each.redis_bits / 1e6 for each in made]),
        ("entries in each shard, MB", [each.memory / 1e6 for each in made]),
        ("HTTP traffic, Gbit/s", [each.http_bits / 1e9 for each in made]),
        ("concurrent users", [round(each.users) for each in made]),
        (f"database calls/s (TTL {TTL:.0f} s)", [round(each.database_calls) for each in made]),
    ]
    headers = ["", *(_per_second(each) for each in made)]
    return table(headers, [[name, *cells] for name, cells in lines])


def _per_second(made: Plan) -> str:
    return f"{made.rate:,.0f}/s"
