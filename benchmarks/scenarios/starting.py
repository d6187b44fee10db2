"""Cold starts: the time from starting a server to its first answer, and from killing a worker to the next answer."""

import os
import signal
import time
from typing import Final

import httpx

from benchmarks.environment import BenchmarkEnvironment
from benchmarks.lineup import CONTENDERS, Contender
from benchmarks.meters import members
from benchmarks.report import spread, table
from benchmarks.serving import ContenderServer

__all__ = ["measure", "show"]

_SECONDS: Final = 60.0


def measure(environment: BenchmarkEnvironment, *, starts: int) -> dict[str, list[dict[str, float]]]:
    """Start every contender `starts` times, in turn, with one worker each."""
    figures: dict[str, list[dict[str, float]]] = {contender.name: [] for contender in CONTENDERS}
    for _ in range(starts):
        for contender in CONTENDERS:
            figures[contender.name].append(_start(environment, contender))
    return figures


def _start(environment: BenchmarkEnvironment, contender: Contender) -> dict[str, float]:
    server, started = environment.server(contender), time.monotonic()
    with server:
        took = {"start": time.monotonic() - started}
        return took if contender.is_asgi else took | {"worker": _next_worker(server)}


def _next_worker(server: ContenderServer) -> float:
    """Kill the worker and return the seconds until the new worker answers. The master keeps the socket open."""
    workers = set(members(server.pid)) - {server.pid}
    started = time.monotonic()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    httpx.get(f"{server.url}/healthz", timeout=_SECONDS).raise_for_status()
    return time.monotonic() - started


def show(data: dict[str, list[dict[str, float]]]) -> str:
    """Return the table: medians with their spread."""
    rows = []
    for contender in CONTENDERS:
        starts = data[contender.name]
        worker = "the same" if contender.is_asgi else spread([each["worker"] for each in starts])
        rows.append([contender.what, spread([each["start"] for each in starts]), worker])
    return table(["", "server, s", "worker, s"], rows)
