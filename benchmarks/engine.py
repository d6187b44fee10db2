"""What the protocol's operations cost, as ratios to one raw GET of the same client on the same server in the same run.

Run by `make bench`. Rounds of all operations are interleaved, so that a machine that slows down slows all of them.
"""

import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app.caching.codec import JsonCodec, Policy
from app.caching.connection import Topology, connect
from app.caching.incarnation import Incarnation
from app.caching.protocol import LeaseProtocol
from local.valkey import ValkeyServer

ROUNDS: Final = 15
CALLS: Final = 1000
BREAKDOWN: Final = {"all": 2282, "asin_found": 1436, "needs_selection": 234, "needs_asin": 384, "manual_entry": 228}
LIMITS: Final = {"hit": 1.25, "miss + fill": 4.0, "begin + end": 3.5}
RESULTS: Final = Path(__file__).parent / "results" / "engine.json"


def operations(url: str) -> dict[str, Callable[[], object]]:
    """Return what is measured: one raw GET, and the three operations of the protocol."""
    incarnation = Incarnation()
    client = connect(Topology(url=url), incarnation, max_connections=10, timeout=2)
    protocol = LeaseProtocol(client, incarnation)
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
    """Return each operation's times, one per round, after one round that does not count."""
    measured = operations(url)
    times: dict[str, list[float]] = {name: [] for name in measured}
    for counted in (False, *[True] * ROUNDS):
        for name, operation in measured.items():
            took = microseconds(operation)
            if counted:
                times[name].append(took)
    return times


def main() -> None:
    """Measure, print a table, and write the results."""
    with tempfile.TemporaryDirectory() as directory, ValkeyServer(Path(directory)) as server:
        times = measure(server.url)
    raw = times["raw GET"]
    print(f"{'operation':<12} {'median µs':>10} {'min':>7} {'max':>7} {'ratio':>7} {'aim':>6}")
    results = {}
    for name, each in times.items():
        # The ratio is taken round by round and then the median: both halves saw the same moment.
        ratio = statistics.median(one / base for one, base in zip(each, raw, strict=True))
        aim = f"{LIMITS[name]:.2f}" if name in LIMITS else ""
        print(f"{name:<12} {statistics.median(each):>10.1f} {min(each):>7.1f} {max(each):>7.1f} {ratio:>7.2f} {aim:>6}")
        results[name] = {"microseconds": each, "ratio_to_raw_get": ratio}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
