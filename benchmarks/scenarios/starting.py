"""Cold starts: from the process' birth to its first answer, and from a worker's death to the first of its successor."""

import os
import signal
import time
from typing import Final

import httpx

from benchmarks.arena import Arena
from benchmarks.lineup import EVERYBODY, Contender
from benchmarks.meters import members
from benchmarks.report import spread, table
from benchmarks.serving import ContenderServer

__all__ = ["measure", "show"]

_SECONDS: Final = 60.0


def measure(arena: Arena, *, starts: int) -> dict[str, list[dict[str, float]]]:
    """Start everybody `starts` times, in turn, with one worker each."""
    figures: dict[str, list[dict[str, float]]] = {who.name: [] for who in EVERYBODY}
    for _ in range(starts):
        for who in EVERYBODY:
            figures[who.name].append(_start(arena, who))
    return figures


def _start(arena: Arena, who: Contender) -> dict[str, float]:
    server, started = arena.server(who), time.monotonic()
    with server:
        took = {"start": time.monotonic() - started}
        return took if who.awaits else took | {"worker": _next_worker(server)}


def _next_worker(server: ContenderServer) -> float:
    """Kill the worker and return how long its successor took to answer; the master keeps the socket open meanwhile."""
    workers = set(members(server.pid)) - {server.pid}
    started = time.monotonic()
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    httpx.get(f"{server.url}/healthz", timeout=_SECONDS).raise_for_status()
    return time.monotonic() - started


def show(data: dict[str, list[dict[str, float]]]) -> str:
    """Return the table: medians with their spread."""
    rows = []
    for who in EVERYBODY:
        starts = data[who.name]
        worker = "the same" if who.awaits else spread([each["worker"] for each in starts])
        rows.append([who.what, spread([each["start"] for each in starts]), worker])
    return table(["", "server, s", "worker, s"], rows)
