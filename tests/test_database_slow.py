"""A slow or busy database, with real gunicorn: every request is served, and the circuit breaker stays closed."""

import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from local.application import AppServer
from local.stack import Stack
from tests.clients import client
from tests.outage import concurrently, repeatedly
from tests.proxy import Fault, SupabaseProxy
from tests.sellers import app_environment, new_seller


def test_a_slow_database_is_not_treated_as_down(stack: Stack, proxy: SupabaseProxy, tmp_path: Path) -> None:
    """Each call takes 0.4 s, and there are more callers than slots. All are served."""
    log = tmp_path / "log"

    def late(answer: bytes) -> bytes:
        time.sleep(0.4)
        return answer

    environment = app_environment(stack, SUPABASE_URL=proxy.url, SUPABASE_TIMEOUT="4", SUPABASE_DOWN_AFTER="2")
    with (
        AppServer(environment, workers=1, threads=8, log=log) as app,
        new_seller(stack.supabase, app.url) as seller,
        client(app.url) as anonymous,
    ):
        proxy.fault = Fault(late)
        try:
            with concurrently(
                *[lambda: seller.http.get("/products")] * 32, *[lambda: anonymous.get("/readyz")] * 8
            ) as visits:
                pass
        finally:
            proxy.fault = None
    assert {visit.result().status for visit in visits} == {200}
    assert "circuit breaker open" not in log.read_text()


def test_an_import_and_many_readers_are_all_served(stack: Stack, tmp_path: Path) -> None:
    """The embedded database answers one call at a time, and each batch of the import takes long."""
    file = "title,cost\n" + "".join(f"Product {number},{number % 90}.50\n" for number in range(2500))
    log = tmp_path / "log"
    with (
        AppServer(app_environment(stack), workers=1, threads=8, log=log) as app,
        new_seller(stack.supabase, app.url) as importer,
        new_seller(stack.supabase, app.url) as reader,
        ExitStack() as readers,
    ):
        visits = [readers.enter_context(repeatedly(partial(reader.http.get, "/products"))) for _ in range(12)]
        lines = importer.imports(file)
    assert lines[-1]["created"] == 2500
    assert {visit.status for reader_visits in visits for visit in reader_visits} == {200}
    assert "circuit breaker open" not in log.read_text()
