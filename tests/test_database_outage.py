"""A database that hangs, dies or is slow, under real gunicorn: who notices, and what goes on meanwhile."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
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
from tests.outage import Call, Visit, again_and_again, all_at_once
from tests.problems import problem
from tests.proxy import Fault, SupabaseProxy
from tests.sellers import Seller, all_workers_serve, app_environment, new_seller

_DOWN_AFTER: Final = 2.0  # seconds, the default
_TIMEOUT: Final = 4.0  # seconds
_SLACK: Final = 2.0  # seconds that a busy machine may add


@pytest.fixture(scope="module")
def supabase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SupabaseServer]:
    """Run a Supabase of our own, to be paused and killed."""
    with SupabaseServer(tmp_path_factory.mktemp("supabase") / "own", bcrypt_cost=4) as running:
        yield running


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the log of the app."""
    return tmp_path_factory.mktemp("app") / "gunicorn.log"


@pytest.fixture(scope="module")
def app(stack: Stack, supabase: SupabaseServer, log: Path) -> Iterator[AppServer]:
    """Run the app with its usual two workers of eight threads; entries live long enough to be hits throughout."""
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
    """Return a seller whose numbers are in the cache."""
    with new_seller(supabase, app.url) as someone:
        assert wait_until(lambda: "; hit" in someone.reads_stats().headers["Cache-Status"], seconds=30)
        yield someone


@pytest.fixture
def other(supabase: SupabaseServer, app: AppServer) -> Iterator[Seller]:
    """Return a seller whose numbers are not in the cache."""
    with new_seller(supabase, app.url) as someone:
        someone.creates()
        yield someone


@pytest.fixture(autouse=True)
def _all_is_well_again(app: AppServer, supabase: SupabaseServer) -> Iterator[None]:
    yield
    if not supabase.is_running():
        supabase.start()
    supabase.resume()
    assert wait_until(lambda: all(_stranger(app).status_code == 200 for _ in range(8)), seconds=30)


def _stranger(app: AppServer, path: str = "/readyz") -> httpx.Response:
    with client(app.url) as nobody:
        return nobody.get(path)


def _says(log: Path, word: str, *, since: int) -> int:
    """Count the lines that tell of the breaker, one for each worker that has come to know."""
    return log.read_text()[since:].count(f"Database circuit breaker {word}")


def _all_know(app: AppServer, log: Path, *, since: int) -> bool:
    """Ask for readiness until both workers know that the database is down."""
    return wait_until(
        lambda: not _stranger(app).is_success and _says(log, "open", since=since) == 2, seconds=_DOWN_AFTER + 10
    )


def _is_refused(visit: Visit) -> None:
    """Check that a call was refused at once: it was never sent, and says so."""
    assert "not reachable; nothing was changed" in problem(visit.answer, 503)["detail"]
    assert int(visit.answer.headers["Retry-After"]) >= 1
    assert visit.seconds < _SLACK


def _all_workers_answer(seller: Seller) -> bool:
    """Say whether ten lists over ten connections, which all workers take, are there."""
    closing = {"Connection": "close"}
    return all(seller.http.get("/products", headers=closing).status_code == 200 for _ in range(10))


def _results(visits: list[Future[Visit]]) -> list[Visit]:
    return [done.result() for done in visits]


def _comes_back(supabase: SupabaseServer, cached: Seller, other: Seller) -> None:
    """Check that a second after the database answers, reads of it and of the cache do, and not only for once."""
    with client(supabase.url, headers={"apikey": supabase.publishable_key}) as direct:
        assert direct.post("/rest/v1/rpc/health").json() == "ok"
    returned = time.monotonic()
    assert wait_until(lambda: other.http.get("/products").status_code == 200, seconds=_SLACK + 10)
    assert time.monotonic() - returned < 1 + _SLACK
    assert wait_until(lambda: all(other.reads_stats().status_code == 200 for _ in range(8)), seconds=1 + _SLACK)
    assert "; hit" in cached.reads_stats().headers["Cache-Status"]


def test_a_hung_database_leaves_threads_for_everybody_else(
    app: AppServer, supabase: SupabaseServer, cached: Seller, other: Seller, log: Path
) -> None:
    """Strangers ask for readiness and sellers for lists, all at the moment it hangs; hits and liveness go on."""
    start = len(log.read_text())
    reads: list[Call] = [lambda: other.http.get("/products")] * 12
    strangers: list[Call] = [lambda: _stranger(app)] * 32
    supabase.pause()
    with (
        all_at_once(*reads, *strangers) as first,
        again_and_again(cached.reads_stats) as hits,
        again_and_again(lambda: _stranger(app, "/healthz")) as lives,
    ):
        assert _all_know(app, log, since=start)
        known = time.monotonic()
        with all_at_once(*reads, *strangers) as later:
            pass
        assert wait_until(lambda: time.monotonic() > known + 1, seconds=5)  # and hits go on
    supabase.resume()
    _comes_back(supabase, cached, other)

    for visit in [*lives, *hits]:
        assert visit.status == 200
        assert visit.seconds < (_SLACK / 2 if visit.began > known else _DOWN_AFTER / 2 + _SLACK)
    assert all("; hit" in visit.answer.headers["Cache-Status"] for visit in hits)
    assert all(visit.status == 503 and visit.seconds < _TIMEOUT + _SLACK for visit in _results(first))
    for visit in _results(later[:12]):
        _is_refused(visit)
    for visit in _results([*first[12:], *later[12:]]):
        assert visit.answer.json() == {"status": "unavailable"}
        assert visit.seconds < _DOWN_AFTER / 2 + _SLACK


def test_a_change_says_whether_it_was_sent(
    app: AppServer, supabase: SupabaseServer, cached: Seller, other: Seller, log: Path
) -> None:
    """What was under way when it hung may have happened; what came later was never sent, and costs no cached entry."""
    start = len(log.read_text())
    supabase.pause()
    sent = [partial(_creates, other, f"Sent {number}") for number in range(2)]
    late = [partial(_creates, seller, "Late") for seller in (other, cached)]
    with all_at_once(*sent) as first:
        assert _all_know(app, log, since=start)
        with all_at_once(*late) as later:
            pass
    assert "; hit" in cached.reads_stats().headers["Cache-Status"]
    supabase.resume()
    assert wait_until(lambda: _all_workers_answer(other), seconds=_SLACK + 10)

    assert ["may have happened" in problem(visit.answer, 503)["detail"] for visit in _results(first)] == [True, True]
    for visit in _results(later):
        _is_refused(visit)
    assert "Late" not in {deal["product"]["title"] for deal in (*other.lists(), *cached.lists())}


def _creates(seller: Seller, title: str) -> httpx.Response:
    return seller.http.post("/products", json={"title": title})


def test_a_killed_database_is_known_at_once_and_so_is_its_return(
    app: AppServer, supabase: SupabaseServer, cached: Seller, other: Seller, log: Path
) -> None:
    """A refused connection costs nobody any time."""
    start = len(log.read_text())
    supabase.kill()
    with again_and_again(cached.reads_stats) as hits:
        with all_at_once(*[lambda: other.http.get("/products")] * 8, *[lambda: _stranger(app)] * 8) as first:
            pass
        assert _all_know(app, log, since=start)
        for visit in _results(first[:8]):
            _is_refused(visit)
        supabase.start()
    _comes_back(supabase, cached, other)

    assert {visit.answer.text.strip() for visit in _results(first[8:])} == {'{"status":"unavailable"}'}
    assert all(visit.status == 200 and "; hit" in visit.answer.headers["Cache-Status"] for visit in hits)
    assert max(visit.seconds for visit in hits) < _SLACK
    assert wait_until(lambda: _says(log, "closed", since=start) == 2, seconds=5)


def test_a_slow_database_is_not_taken_for_one_that_is_down(
    stack: Stack, supabase: SupabaseServer, tmp_path: Path
) -> None:
    """Each call takes 0.4 s, and more callers come than there are places: all are served."""
    log = tmp_path / "log"

    def late(answer: bytes) -> bytes:
        time.sleep(0.4)
        return answer

    with (
        SupabaseProxy(supabase.url) as proxy,
        AppServer(_environment(stack, supabase, SUPABASE_URL=proxy.url), workers=1, threads=8, log=log) as slow,
        new_seller(supabase, slow.url) as seller,
    ):
        proxy.fault = Fault(late)
        with all_at_once(*[lambda: seller.http.get("/products")] * 32, *[lambda: _stranger(slow)] * 8) as visits:
            pass
    assert {visit.status for visit in _results(visits)} == {200}
    assert "circuit breaker open" not in log.read_text()


def test_an_import_beside_many_readers_refuses_nobody(stack: Stack, tmp_path: Path) -> None:
    """The embedded database answers one call at a time, and a batch takes it long."""
    file = "title,cost\n" + "".join(f"Product {number},{number % 90}.50\n" for number in range(2500))
    log = tmp_path / "log"
    with (
        AppServer(app_environment(stack), workers=1, threads=8, log=log) as app,
        new_seller(stack.supabase, app.url) as importer,
        new_seller(stack.supabase, app.url) as reader,
        ExitStack() as readers,
    ):
        visits = [readers.enter_context(again_and_again(partial(reader.http.get, "/products"))) for _ in range(12)]
        lines = importer.imports(file)
    assert lines[-1]["created"] == 2500
    assert {visit.status for reader_visits in visits for visit in reader_visits} == {200}
    assert "circuit breaker open" not in log.read_text()


def test_signing_in_is_given_up_as_quickly(supabase: SupabaseServer) -> None:
    """One attempt waits for the time-out and shows that the database hangs; the next ones do not wait."""
    email = new_account(supabase)["user"]["email"]
    database = Database(supabase.url, supabase.publishable_key, timeout=2, max_calls=2, down_after=1)
    supabase.pause()
    took = []
    for _ in range(3):
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailableError, match="Signing in is not possible"):
            database.sign_in(email, PASSWORD)
        took.append(time.monotonic() - started)
    supabase.resume()
    assert (took[0] > 1.9, took[2] < 0.5) == (True, True)
    assert wait_until(lambda: database.is_available, seconds=_SLACK)
    assert wait_until(lambda: database.latency() < 1, seconds=_SLACK)
    assert database.sign_in(email, PASSWORD)
    assert database.sign_in(email, "wrong") is None
    database.close()
