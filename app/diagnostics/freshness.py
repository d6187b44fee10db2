"""The freshness sampler: it compares a share of the cached answers with the database, after they have been sent.

The model is Polaris, with which Meta measures the consistency of its caches in production (*Cache made consistent*,
2022): it reads the cache as a client would, and checks again before it reports a difference as an error.

A difference alone proves nothing, because a change may have been in flight. So the sampler waits, and reads the
database again. The answer was stale if both reads of the database returned the same numbers, and if the cache held
the same entry before and after the second read. An entry is identified by its value and its time of expiry. A writer
that begins between the two checks of the cache would have changed the entry. A writer whose begin failed, because
Redis failed, can end during the wait.
"""

import atexit
import contextlib
import json
import logging
import queue
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from flask import Flask, Response

from app.auth import current_user
from app.caching import Answer, CacheUnavailableError, Freshness
from app.database import Database, DatabaseRefusalError, DatabaseUnavailableError
from app.extensions import cache
from app.products.breakdown import AsinStats
from app.products.repository import Repository
from app.products.stats import asin_status_stats

logger = logging.getLogger(__name__)

_HIT: Final = re.compile(r"asin-stats; hit\b.*; ttl=(\d+)")
_WAITING: Final = 8  # samples that wait in one worker; further ones are skipped
_INTERVAL: Final = 0.1  # seconds between two comparisons of one worker
_PAUSE: Final = 0.25  # seconds before the database is read for the second time
_ROUNDING: Final = 0.002  # seconds; Redis reports the remaining lifetime in milliseconds
_STOPPING: Final = 1.0  # seconds that the end of a worker waits for a comparison


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer from the cache.

    Attributes:
        user_id: the user who got it.
        token: the user's access token, with which the database is read.
        stats: the numbers.
        expires_at: earliest time at which its entry can expire, in monotonic seconds.

    """

    user_id: str
    token: str = field(repr=False)
    stats: AsinStats
    expires_at: float


@dataclass(frozen=True, slots=True)
class Look:
    """What the cache holds: a value, and the times in monotonic seconds between which it expires."""

    stats: AsinStats
    not_before: float
    not_after: float

    def is_same_entry(self, other: "Look") -> bool:
        """Return whether both looks found the same entry, and not a later one with the same value."""
        overlap = min(self.not_after, other.not_after) - max(self.not_before, other.not_before)
        return self.stats == other.stats and overlap >= -_ROUNDING


def compare(
    sample: Sample,
    *,
    read_database: Callable[[], AsinStats],
    look: Callable[[], Look | None],
    pause: Callable[[], object],
) -> Freshness:
    """Compare an answer with the database.

    Args:
        sample: the answer.
        read_database: returns the present numbers.
        look: returns what the cache answers now; None while a writer is in flight, or without a value.
        pause: waits before the second reading.

    Returns:
        SKIPPED if the entry may have expired, so that it is unknown whether a writer replaced it.

    """
    present = read_database()
    if present == sample.stats:
        return Freshness.VERIFIED
    before = look()
    if before and before.stats == sample.stats:
        pause()
        unchanged = read_database() == present
        after = look()
        if unchanged and after and after.is_same_entry(before):
            return Freshness.STALE
    return Freshness.WRITER_IN_FLIGHT if time.monotonic() < sample.expires_at else Freshness.SKIPPED


class Sampler:
    """Compares samples in one thread per process, so that at most one call of it is at the database.

    The thread starts with the first sample, and ends with the process. A forked process starts its own.
    """

    def __init__(self, app: Flask, *, share: float) -> None:
        """Sample a `share` of the hits of `app`: 0 none, 1 all."""
        self._app, self._share = app, share
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._waiting = queue.Queue[Sample | None](_WAITING)

    def observe(self, response: Response) -> Response:
        """Sample a random share of the hits. Flask calls this after each request (`after_request`)."""
        hit = _HIT.match(response.headers.get("Cache-Status", ""))
        if hit and random.random() < self._share:  # noqa: S311 - which hits are compared is no secret
            identity = current_user
            expires_at = time.monotonic() + int(hit[1])
            stats = AsinStats.parse(json.loads(response.data))
            self._offer(Sample(identity.user_id, identity.token, stats, expires_at))
        return response

    def stop(self) -> None:
        """End the thread, after the comparison that is running. Waits for at most 1 s."""
        self._stopping.set()
        if (thread := self._thread) and thread.is_alive():
            with contextlib.suppress(queue.Full):  # then the thread is not waiting for a sample
                self._waiting.put_nowait(None)
            thread.join(_STOPPING)
        atexit.unregister(self.stop)

    def _offer(self, sample: Sample) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # the first sample, or a fork of the process
                self._start()
        try:
            self._waiting.put_nowait(sample)
        except queue.Full:
            cache.engine.count(Freshness.SKIPPED.counter)

    def _start(self) -> None:
        self._stopping.clear()
        self._waiting = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._work, args=[self._waiting], name="freshness", daemon=True)
        self._thread.start()
        atexit.unregister(self.stop)
        atexit.register(self.stop)

    def _work(self, waiting: "queue.Queue[Sample | None]") -> None:
        while not self._stopping.is_set() and (sample := waiting.get()):
            with self._app.app_context():
                self._judge(sample)
            del sample  # it contains a token
            self._stopping.wait(_INTERVAL)

    def _judge(self, sample: Sample) -> None:
        try:
            found = compare(
                sample,
                read_database=lambda: numbers_now(self._app.extensions["database"], sample),
                look=lambda: look(sample.user_id),
                pause=lambda: self._stopping.wait(_PAUSE),
            )
        except (_BusyError, DatabaseUnavailableError, DatabaseRefusalError, CacheUnavailableError, ValueError):
            found = Freshness.SKIPPED
        if found is Freshness.STALE:
            logger.error("a sampled answer from the cache was stale: see docs/operations.md#freshness")
        cache.engine.count(found.counter)


class _BusyError(Exception):
    """The database has no capacity to spare."""


def numbers_now(database: Database, sample: Sample) -> AsinStats:
    """Return the present numbers. Raises instead of taking the last slot for a call, which a request may need."""
    if database.idle_calls < 2:
        raise _BusyError
    return AsinStats.parse(Repository(database, sample.token, sample.user_id).asin_stats())


def look(user_id: str) -> Look | None:
    """Return what a reader would get from the cache now. Raises CacheUnavailableError."""
    engine = cache.engine
    asked_at = time.monotonic()
    found: Answer[AsinStats] | None = engine.peek(
        asin_status_stats.make_cache_key(user_id), asin_status_stats.policy(engine)
    )
    if not found or found.ttl is None:
        return None
    return Look(found.value, asked_at + found.ttl, time.monotonic() + found.ttl)


def init_app(app: Flask) -> None:
    """Observe the hits of `app` if FRESHNESS_SAMPLE is above 0 and the cache promises freshness. Else do nothing."""
    share: float = app.config["FRESHNESS_SAMPLE"]
    with app.app_context():
        if share and cache.counters():
            sampler = app.extensions["freshness"] = Sampler(app, share=share)
            app.after_request(sampler.observe)
