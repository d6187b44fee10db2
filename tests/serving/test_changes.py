"""Changes never occupy all threads, so cached reads are answered while changes wait for the database."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.sellers import Seller, app_environment, new_seller

_THREADS: Final = 8
_HIT_SECONDS: Final = 1.5  # the changes wait for at least two seconds


def test_cached_reads_are_answered_while_more_changes_than_threads_wait(stack: Stack, tmp_path: Path) -> None:
    """The database is paused. When it resumes, every change gets an answer."""
    with (
        AppServer(app_environment(stack, CACHE_TTL="300"), workers=1, threads=_THREADS, log=tmp_path / "log") as app,
        new_seller(stack.supabase, app.url) as reader,
        new_seller(stack.supabase, app.url) as writer,
        ThreadPoolExecutor(2 * _THREADS) as clients,
    ):
        path = f"/products/deal/{writer.creates()['id']}"
        assert wait_until(partial(_is_hit, reader), seconds=30)
        stack.supabase.pause()
        try:
            changes = [clients.submit(writer.http.patch, path, json={"moq": moq}) for moq in range(1, 2 * _THREADS + 1)]
            assert wait_until(lambda: all(change.running() for change in changes), seconds=5)
            for _ in range(20):
                started = time.monotonic()
                assert _is_hit(reader)
                assert time.monotonic() - started < _HIT_SECONDS
            assert not all(change.done() for change in changes)
        finally:
            stack.supabase.resume()
        assert {change.result().status_code for change in changes} <= {200, 503}


def _is_hit(seller: Seller) -> bool:
    return "; hit" in seller.reads_stats().headers["Cache-Status"]
