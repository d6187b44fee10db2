"""How fast a seller's file is taken in through gunicorn on the local stack, in what memory, and what bounds it.

`measure` prints a small table and writes the figures; `python -m benchmarks.importing` runs it by itself.
"""

import json
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import httpx

from local.application import AppServer
from local.demo import Login, sign_up
from local.stack import Stack

ROWS: Final = 100_000
AIMS: Final = {"new": 5_000}
LARGEST_PEAK: Final = 150
"""Megabytes the worker may need at most."""

RESULTS: Final = Path(__file__).parent / "results" / "importing.json"


@dataclass(frozen=True, slots=True)
class Run:
    """One import of the whole file.

    Attributes:
        seconds: from the first byte sent to the last line read.
        worker: processor seconds of the worker.
        database: processor seconds of the embedded Supabase.

    """

    seconds: float
    worker: float
    database: float

    @property
    def rate(self) -> float:
        """Rows per second."""
        return ROWS / self.seconds


def file_of(rows: int) -> bytes:
    """Return a supplier's list: each row a product with ASIN and UPC, and its deal."""
    lines = (
        f'B{number:09d},{number:012d},"Product {number}, blue, pack of {number % 12}",Alderbrook,Harbor,'
        f'"${number % 1000}.{number % 100:02d}",{number % 24 + 1},new,Case pack differs\n'
        for number in range(rows)
    )  # fmt: skip
    return b"ASIN,UPC,Title,Brand,Supplier,Cost,MOQ,Stage,Notes\n" + "".join(lines).encode()


@contextmanager
def running() -> Iterator[tuple[Stack, AppServer, int]]:
    """Run a stack of its own and an app with one worker; yield them and the worker's process id."""
    with tempfile.TemporaryDirectory() as directory, Stack(Path(directory)) as stack:
        environment = {
            "SUPABASE_URL": stack.supabase.url,
            "SUPABASE_KEY": stack.supabase.publishable_key,
            "SUPABASE_JWT_SECRET": stack.supabase.jwt_secret,
            "REDIS_URL": stack.redis.url,
            "LOG_LEVEL": "WARNING",
        }
        with AppServer(environment, workers=1, log=Path(directory) / "app.log") as server:
            (worker,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
            yield stack, server, int(worker)


def measure() -> dict[str, float]:
    """Import a file of `ROWS` rows three ways, print a table, write the results and return them."""
    content = file_of(ROWS)
    with running() as (stack, server, worker):
        token = sign_up(stack.supabase, Login("bench@example.com", "correct-horse-battery"))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=600) as client:
            pids = (worker, stack.supabase.pid)
            runs = {name: _timed(client, content, query, pids) for name, query in _ROUNDS.items()}
        peak = int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())[0]) / 1024
    _print(runs, peak=peak, size=len(content))
    results = {f"{name} rows/s": run.rate for name, run in runs.items()} | {"worker peak MB": peak}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps({**results, "runs": {name: asdict(run) for name, run in runs.items()}}, indent=1) + "\n"
    )
    return results


_ROUNDS: Final = {"trial": {"dry_run": True}, "new": {}, "again": {}}


def _timed(client: httpx.Client, content: bytes, query: dict[str, bool], pids: tuple[int, int]) -> Run:
    before, started = [_processor_seconds(pid) for pid in pids], time.perf_counter()
    last = json.loads(client.post("/products/import", content=content, params=query).text.splitlines()[-1])
    seconds = time.perf_counter() - started
    if (last.get("done"), last["rows"], last["rejected"]) != (True, ROWS, 0):
        raise RuntimeError(f"the import went wrong: {last}")
    worker, database = (_processor_seconds(pid) - was for pid, was in zip(pids, before, strict=True))
    return Run(seconds, worker, database)


def _processor_seconds(pid: int) -> float:
    """Return what the process has used so far, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _print(runs: dict[str, Run], *, peak: float, size: int) -> None:
    # The last column is what an idle machine would do: the worker and the database take turns.
    head = f"{'rows/s':>8} {'aim':>6} {'worker s':>9} {'database s':>11} {'rows per processor second':>26}"
    print(f"{f'{ROWS:,} rows, {size / 1e6:.1f} MB':<24} {head}")
    for name, run in runs.items():
        aim = f"{AIMS[name]:,}" if name in AIMS else ""
        used = f"{run.worker:>9.1f} {run.database:>11.1f} {ROWS / (run.worker + run.database):>26,.0f}"
        print(f"  {name:<22} {run.rate:>8,.0f} {aim:>6} {used}")
    print(f"  worker's peak memory {peak:.0f} MB, at most {LARGEST_PEAK}")
    bound = max(("the worker", runs["new"].worker), ("the database", runs["new"].database), key=lambda part: part[1])[0]
    print(f"  bounded by {bound}: the two take turns, and the embedded database is one WebAssembly thread")


if __name__ == "__main__":
    measure()
