"""Measure the speed of a file import through gunicorn on the local stack, the worker's memory, and the bottleneck.

Run it with `python -m benchmarks importing`.
"""

import json
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.report import table, write_results
from local.application import AppServer
from local.demo import Login, sign_up
from local.stack import Stack
from tests.barcodes import upc

ROWS: Final = 100_000
AIMS: Final = {"new": 5_000}
LARGEST_PEAK: Final = 150
"""Maximum memory of the worker in megabytes."""


@dataclass(frozen=True, slots=True)
class Run:
    """One import of the whole file.

    Attributes:
        seconds: time from the first byte sent to the last line received.
        worker: processor seconds that the worker used.
        database: processor seconds that the embedded Supabase used.

    """

    seconds: float
    worker: float
    database: float

    @property
    def rate(self) -> float:
        """Rows per second."""
        return ROWS / self.seconds


def csv_file(rows: int) -> bytes:
    """Return a supplier's list as CSV. Each row is a product with ASIN and UPC, and its deal."""
    lines = (
        f'B{number:09d},{upc(number, length=12)},"Product {number}, blue, pack of {number % 12}",Alderbrook,Harbor,'
        f'"${number % 1000}.{number % 100:02d}",{number % 24 + 1},new,Case pack differs\n'
        for number in range(rows)
    )  # fmt: skip
    return b"ASIN,UPC,Title,Brand,Supplier,Cost,MOQ,Stage,Notes\n" + "".join(lines).encode()


@contextmanager
def running() -> Iterator[tuple[Stack, AppServer, int]]:
    """Run a new stack and an app with one worker; yield them and the worker's process id."""
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


def measure() -> dict[str, Any]:
    """Import a file three times: as a dry run, as new rows, and again. Return speed and processor use of each import.

    The worker's peak memory is in MB.
    """
    content = csv_file(ROWS)
    with running() as (stack, server, worker):
        token = sign_up(stack.supabase, Login("bench@example.com", "correct-horse-battery"))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=600) as client:
            pids = (worker, stack.supabase.pid)
            runs = {name: _timed(client, content, query, pids) for name, query in _IMPORTS.items()}
        peak = int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())[0]) / 1024
    return {
        "rows": ROWS,
        "megabytes": len(content) / 1e6,
        "peak": peak,
        "runs": {name: [run.rate, run.worker, run.database] for name, run in runs.items()},
    }


_IMPORTS: Final = {"dry run": {"dry_run": True}, "new": {}, "again": {}}


def _timed(client: httpx.Client, content: bytes, query: dict[str, bool], pids: tuple[int, int]) -> Run:
    before, started = [_processor_seconds(pid) for pid in pids], time.perf_counter()
    last = json.loads(client.post("/products/import", content=content, params=query).text.splitlines()[-1])
    seconds = time.perf_counter() - started
    if (last.get("done"), last["rows"], last["rejected"]) != (True, ROWS, 0):
        raise RuntimeError(f"the import failed: {last}")
    worker, database = (_processor_seconds(pid) - used for pid, used in zip(pids, before, strict=True))
    return Run(seconds, worker, database)


def _processor_seconds(pid: int) -> float:
    """Return the processor seconds that all threads of the process have used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def show(measured: dict[str, Any]) -> str:
    """Return the table, the worker's peak memory and the bottleneck."""
    runs: dict[str, list[float]] = measured["runs"]
    rows = [
        # Rows per processor second: the rate on an idle machine if the worker and the database never ran in parallel.
        [name, *run, measured["rows"] / (run[1] + run[2]), f"{AIMS[name]:,}" if name in AIMS else ""]
        for name, run in runs.items()
    ]
    _, worker, database = runs["new"]
    bottleneck = "the worker" if worker > database else "the embedded database, one WebAssembly thread"
    return (
        table(["import", "rows/s", "worker s", "database s", "rows per processor second", "aim"], rows)
        + f"\n\n{measured['rows']:,} rows, {measured['megabytes']:.1f} MB. The worker's peak memory was"
        f" {measured['peak']:.0f} MB (aim: at most {LARGEST_PEAK}). The bottleneck is {bottleneck}."
    )


def main() -> None:
    """Measure, print and write the figures."""
    measured = measure()
    print(f"importing\n\n{show(measured)}\n", flush=True)
    write_results("importing", measured)


if __name__ == "__main__":
    main()
