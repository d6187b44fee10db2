"""A database that hangs or is killed, with real gunicorn: detection, requests that still work, and recovery."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import pytest

from app.database import Database, DatabaseUnavailableError
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from local.supabase import SupabaseServer
from tests.clients import PASSWORD, client, new_account
from tests.outage import Call, Visit, at_once, concurrently, repeatedly
from tests.problems import problem
from tests.sellers import Seller, all_workers_serve, app_environment, new_seller

_DOWN_AFTER: Final = 2.0  # seconds, the default
_TIMEOUT: Final = 8.0  # seconds
_SLACK: Final = 4.0  # seconds; tolerance for a busy machine


@pytest.fixture(scope="module")
def supabase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseServer]:
    """Run a Supabase that the tests may pause and kill."""
    with SupabaseServer(tmp_path_factory.mktemp("supabase") / "own", bcrypt_cost=4) as running:
        yield running


@pytest.fixture(scope="module")
def app(stack: Stack, supabase: SupabaseServer, log: Path) -> Iterator[AppServer]:
    """Run the app with two workers of eight threads. The TTL is longer than the tests, so cached reads stay hits."""
    with AppServer(_environment(stack, supabase), workers=2, threads=8, log=log) as running:
        assert all_workers_serve(log, workers=2)
        yield running


def _environment(stack: Stack, supabase: SupabaseServer, **changes: str) -> dict[str, str]:
    settings = {
        "SUPABASE_URL": supabase.url,
        "SUPABASE_KEY": supabase.publishable_key,
        "SUPABASE_JWT_SECRET": supabase.jwt_secret,
        "SUPABASE_TIMEOUT": str(_TIMEOUT),
        "SUPABASE_DOWN_AFTER": str(_DOWN_AFTER),
        "CACHE_TTL": "300",
    }
    return app_environment(stack, **settings | changes)


@pytest.fixture
def cached(supabase: SupabaseServer, app: AppServer) -> Iterator[Seller]:
    """Return a seller whose numbers are cached."""
    with new_seller(supabase, app.url) as someone:
        assert wait_until(lambda: "; hit" in someone.reads_stats().headers["Cache-Status"], seconds=30)
        yield someone


@pytest.fixture
def other(supabase: SupabaseServer, app: AppServer) -> Iterator[Seller]:
    """Return a seller whose numbers are not cached."""
    with new_seller(supabase, app.url) as someone:
        someone.creates()
        yield someone


@pytest.fixture(autouse=True)
def _restore_database(app: AppServer, supabase: SupabaseServer) -> Iterator[None]:
    yield
    if not supabase.is_running():
        supabase.start()
    supabase.resume()
    assert wait_until(lambda: all(_anonymous_request(app).status_code == 200 for _ in range(8)), seconds=30)


def _anonymous_request(app: AppServer, path: str = "/readyz") -> httpx.Response:
    with client(app.url) as http:
        return http.get(path)


def _breaker_lines(log: Path, word: str, *, since: int) -> int:
    """Count the log lines of the breaker; each worker writes one."""
    return log.read_text()[since:].count(f"Database circuit breaker {word}")


def _all_breakers_open(app: AppServer, log: Path, *, since: int) -> bool:
    """Request /readyz until the breakers of both workers are open."""
    return wait_until(
        lambda: not _anonymous_request(app).is_success and _breaker_lines(log, "open", since=since) == 2,
        seconds=_DOWN_AFTER + 10,
    )


def _assert_refused(visit: Visit) -> None:
    """Assert that a request was refused at once, and that the answer says that nothing was changed."""
    assert "not reachable; nothing was changed" in problem(visit.answer, 503)["detail"]
    assert int(visit.answer.headers["Retry-After"]) >= 1
    assert visit.seconds < _SLACK


def _all_workers_answer(seller: Seller) -> bool:
    """Return whether ten requests on ten connections succeed. All workers get some of them."""
    closing = {"Connection": "close"}
    return all(seller.http.get("/products", headers=closing).status_code == 200 for _ in range(10))


def _results(visits: list[Future[Visit]]) -> list[Visit]:
    return [done.result() for done in visits]


def _assert_recovers(supabase: SupabaseServer, cached: Seller, other: Seller) -> None:
    """Assert that within 1 s after the database answers, reads of the database and of the cache succeed again."""
    with client(supabase.url, headers={"apikey": supabase.publishable_key}) as direct:
        assert direct.post("/rest/v1/rpc/health").json() == "ok"
    returned = time.monotonic()
    assert wait_until(lambda: other.http.get("/products").status_code == 200, seconds=_SLACK + 10)
    assert time.monotonic() - returned < 1 + _SLACK
    assert wait_until(lambda: all(other.reads_stats().status_code == 200 for _ in range(8)), seconds=1 + _SLACK)
    assert "; hit" in cached.reads_stats().headers["Cache-Status"]


def test_a_hung_database_does_not_occupy_all_threads(
    app: AppServer, supabase: SupabaseServer, cached: Seller, other: Seller, log: Path
) -> None:
    """Readiness checks and lists arrive when it hangs. Cache hits and the liveness check are still served."""
    start = len(log.read_text())
    lists: list[Call] = [lambda: other.http.get("/products")] * 12
    readiness: list[Call] = [lambda: _anonymous_request(app)] * 32
    supabase.pause()
    with (
        concurrently(*lists, *readiness) as first,
        repeatedly(cached.reads_stats) as hits,
        repeatedly(lambda: _anonymous_request(app, "/healthz")) as health_checks,
    ):
        assert _all_breakers_open(app, log, since=start)
        breakers_open_at = time.monotonic()
        with concurrently(*lists, *readiness) as later:
            pass
        assert wait_until(lambda: time.monotonic() > breakers_open_at + 1, seconds=5)  # hits are read meanwhile
    supabase.resume()
    _assert_recovers(supabase, cached, other)

    for visit in [*health_checks, *hits]:
        assert visit.status == 200
        assert visit.seconds < _SLACK + (0 if visit.began > breakers_open_at else _DOWN_AFTER / 2)
    assert all("; hit" in visit.answer.headers["Cache-Status"] for visit in hits)
    assert all(visit.status == 503 and visit.seconds < _TIMEOUT + _SLACK for visit in _results(first[:12]))
    for visit in _results(later[:12]):
        _assert_refused(visit)
    assert all(visit.answer.json() == {"status": "unavailable"} for visit in _results(later[12:]))
    # The result of a probe from before the pause is valid for one second, so these may say "ready".
    assert max(visit.seconds for visit in _results([*first[12:], *later[12:]])) < _DOWN_AFTER / 2 + _SLACK


def test_the_answer_to_a_change_says_whether_it_was_sent(
    app: AppServer, supabase: SupabaseServer, cached: Seller, other: Seller, log: Path
) -> None:
    """A change in flight may have happened. A later change is not sent, and does not invalidate the cache entry."""
    start = len(log.read_text())
    supabase.pause()
    sent = [partial(_creates, other, f"Sent {number}") for number in range(2)]
    late = [partial(_creates, seller, "Late") for seller in (other, cached)]
    with concurrently(*sent) as first:
        assert _all_breakers_open(app, log, since=start)
        with concurrently(*late) as later:
            pass
    assert "; hit" in cached.reads_stats().headers["Cache-Status"]
    supabase.resume()
    assert wait_until(lambda: _all_workers_answer(other), seconds=_SLACK + 10)

    assert ["may have happened" in problem(visit.answer, 503)["detail"] for visit in _results(first)] == [True, True]
    for visit in _results(later):
        _assert_refused(visit)
    assert "Late" not in {deal["product"]["title"] for deal in (*other.lists(), *cached.lists())}


def _creates(seller: Seller, title: str) -> httpx.Response:
    return seller.http.post("/products", json={"title": title})


def test_a_killed_database_and_its_recovery_are_detected_at_once(
    app: AppServer, supabase: SupabaseServer, cached: Seller, other: Seller, log: Path
) -> None:
    """A refused connection fails without waiting."""
    start = len(log.read_text())
    supabase.kill()
    with repeatedly(cached.reads_stats) as hits:
        with concurrently(*[lambda: other.http.get("/products")] * 8) as first:
            pass
        for visit in _results(first):
            _assert_refused(visit)
        assert _all_breakers_open(app, log, since=start)
        ready = {answer.text.strip() for answer in at_once(lambda: _anonymous_request(app))}
        supabase.start()
    _assert_recovers(supabase, cached, other)

    assert ready == {'{"status":"unavailable"}'}
    assert all(visit.status == 200 and "; hit" in visit.answer.headers["Cache-Status"] for visit in hits)
    assert max(visit.seconds for visit in hits) < _SLACK
    assert wait_until(lambda: _breaker_lines(log, "closed", since=start) == 2, seconds=30)


def test_signing_in_to_a_hung_database_fails_fast(supabase: SupabaseServer) -> None:
    """The first attempt waits for the timeout. Later attempts fail fast."""
    email = new_account(supabase)["user"]["email"]
    database = Database(supabase.url, supabase.publishable_key, timeout=2, max_calls=2, down_after=1)
    supabase.pause()
    durations = []
    for _ in range(3):
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailableError, match="Signing in is not possible"):
            database.sign_in(email, PASSWORD)
        durations.append(time.monotonic() - started)
    supabase.resume()
    assert (durations[0] > 1.9, durations[2] < 1.5) == (True, True)
    assert wait_until(lambda: database.is_available, seconds=_SLACK)
    assert wait_until(lambda: database.latency() < 1, seconds=_SLACK)
    assert database.sign_in(email, PASSWORD)
    assert database.sign_in(email, "wrong") is None
    database.close()
