"""Measure the protocol's operations as ratios to one raw GET with the same client, on the same server, in the same run.

`make bench` runs this. The rounds of all operations are interleaved, so that a slower machine affects all of them.
"""

import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app.caching.codec import JsonCodec
from app.caching.connection import Topology, connect
from app.caching.policy import Policy
from app.caching.protocol import LeaseProtocol
from benchmarks.report import spread, table, write_results
from local.valkey import ValkeyServer

ROUNDS: Final = 15
CALLS: Final = 1000
BREAKDOWN: Final = {"all": 2282, "asin_found": 1436, "needs_selection": 234, "needs_asin": 384, "manual_entry": 228}
LIMITS: Final = {"hit": 1.25, "miss + fill": 4.0, "begin + end": 3.5}


def operations(url: str) -> dict[str, Callable[[], object]]:
    """Return the measured operations: one raw GET and three operations of the protocol."""
    protocol = LeaseProtocol(connect(Topology(url=url), read_timeout=0.03))
    client = protocol.client
    policy = Policy(codec=JsonCodec(), ttl=3600)
    fresh = (f"asin_stats:miss:{number}" for number in itertools.count())
    client.set("raw", json.dumps(BREAKDOWN, separators=(",", ":")))
    return {
        "raw GET": lambda: client.get("raw"),
        "hit": lambda: protocol.fetch("asin_stats:hit", lambda: BREAKDOWN, policy),
        "miss + fill": lambda: protocol.fetch(next(fresh), lambda: BREAKDOWN, policy),
        "begin + end": lambda: protocol.end("asin_stats:write", protocol.begin("asin_stats:write")),
    }


def microseconds(operation: Callable[[], object]) -> float:
    """Return the mean time of one call over `CALLS` calls."""
    started = time.perf_counter()
    for _ in range(CALLS):
        operation()
    return (time.perf_counter() - started) / CALLS * 1e6


def measure(url: str) -> dict[str, list[float]]:
    """Return each operation's times, one per round. A first round is only a warm-up."""
    measured = operations(url)
    times: dict[str, list[float]] = {name: [] for name in measured}
    for counted in (False, *[True] * ROUNDS):
        for name, operation in measured.items():
            took = microseconds(operation)
            if counted:
                times[name].append(took)
    return times


def show(times: dict[str, list[float]]) -> str:
    """Return the table: medians with their spread, and ratios to the raw GET."""
    rows = []
    for name, each in times.items():
        # Median of the ratios per round: both times of a round were measured at almost the same moment.
        ratio = statistics.median(one / base for one, base in zip(each, times["raw GET"], strict=True))
        rows.append([name, spread(each), f"{ratio:.2f}", f"{LIMITS[name]:.2f}" if name in LIMITS else ""])
    return table(["operation", "µs", "times a raw GET", "aim"], rows)


def main() -> None:
    """Measure, print a table, and write the results."""
    with tempfile.TemporaryDirectory() as directory, ValkeyServer(Path(directory)) as server:
        times = measure(server.url)
    print(f"engine\n\n{show(times)}\n", flush=True)
    write_results("engine", times)


if __name__ == "__main__":
    main()
