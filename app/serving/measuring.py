"""Measures requests and workers for `/metrics`. gunicorn.conf.py exports the four functions to gunicorn as its hooks.

gunicorn calls its hooks in any case. Measuring a request takes three Python calls, and gunicorn's default hooks five.
"""

import time
from typing import Any, Final

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.http.message import Request  # type: ignore[import-untyped]
from gunicorn.http.wsgi import Response  # type: ignore[import-untyped]
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]

from app.metrics.catalogue import REQUESTS, RULE, WORKER_STARTS
from app.metrics.memory import MEMORY, free_row

__all__ = ["post_fork", "post_request", "pre_fork", "pre_request"]

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def pre_fork(server: Arbiter, worker: Worker) -> None:
    """Give the worker a row of the shared memory that no living worker uses. Runs in the master."""
    worker.metrics_row = free_row({each.metrics_row for each in server.WORKERS.values()})


def post_fork(_server: Arbiter, worker: Worker) -> None:
    """Let the worker count in its row."""
    MEMORY.use_row(worker.metrics_row)
    WORKER_STARTS.add(1)


def pre_request(_worker: Worker, req: Request) -> None:
    """Start the clock."""
    req.started_at = time.perf_counter()


def post_request(_worker: Worker, req: Request, environ: dict[str, Any], resp: Response | None) -> None:
    """Count the request. Its route is the URL rule, never the path that the client sent."""
    if resp is None or resp.status is None:  # no response was started; `refusals` counts it
        return
    rule = environ.get(RULE)
    route = rule.rule if rule else "unknown"
    method = req.method if req.method in _METHODS else "other"
    REQUESTS.observe(time.perf_counter() - req.started_at, method, route, str(resp.status_code))
