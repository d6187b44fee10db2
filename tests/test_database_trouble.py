"""Database trouble is 503 with Retry-After: never zeros, never an old number, never a 500, and no change is denied."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from config import Settings
from local.application import AppServer
from local.processes import wait_until
from local.server import free_port
from local.stack import Stack
from tests.problems import problem
from tests.proxy import Fault, SupabaseProxy, http_answer
from tests.sellers import CACHE_STATUS, STATS, Seller, app_environment, new_seller, running_app

_TIMEOUT = 1.0
_PAGE = b"<!doctype html><html><body>Bad gateway</body></html>"


def _says(status: str, body: bytes, media_type: str = "application/json") -> Fault:
    return Fault(lambda _: http_answer(status, body, media_type=media_type))


_FAULTS = {
    "closed before it was passed on": Fault(lambda _: b"", arrives=False),
    "answer lost": Fault(lambda _: b""),
    "answer cut off in its head": Fault(lambda answer: answer[:20]),
    "answer cut off in its body": Fault(lambda answer: answer[:-1]),
    "no HTTP at all": Fault(lambda _: b"SSH-2.0-OpenSSH_9.2\r\n"),
    "truncated JSON": _says("200 OK", b'{"all": 1, "asin_fo'),
    "a page of HTML": _says("200 OK", _PAGE, "text/html"),
    "HTML that says it is JSON": _says("200 OK", _PAGE),
    "empty": _says("200 OK", b""),
    "no content": _says("204 No Content", b""),
    "an empty list": _says("200 OK", b"[]"),
    "an empty object": _says("200 OK", b"{}"),
    "a number": _says("200 OK", b"7"),
    "a string": _says("200 OK", b'"ok"'),
    "500 without a word": _says("500 Internal Server Error", b""),
    "500 as HTML": _says("500 Internal Server Error", _PAGE, "text/html"),
    "502 of a gateway": _says("502 Bad Gateway", _PAGE, "text/html"),
    "503 of PostgREST": _says("503 Service Unavailable", b'{"code": "PGRST001", "message": "no connection"}'),
    "500 with an SQLSTATE": _says("500 Internal Server Error", b'{"code": "57014", "message": "secret SQL words"}'),
    "429 of a gateway": _says("429 Too Many Requests", b"slow down", "text/plain"),
}  # fmt: skip

Call = Callable[[Seller, dict[str, Any]], httpx.Response]
_READS: dict[str, Call] = {
    "stats": lambda who, _: who.reads_stats(),
    "list": lambda who, _: who.http.get("/products"),
    "product": lambda who, deal: who.http.get(f"/products/{deal['product_id']}"),
}
_WRITES: dict[str, Call] = {
    "create": lambda who, _: who.http.post("/products", json={"title": "Written in trouble", "asin": "B000000009"}),
    "patch product": lambda who, deal: who.http.patch(f"/products/{deal['product_id']}", json={"brand": "New"}),
    "patch deal": lambda who, deal: who.http.patch(f"/products/deal/{deal['id']}", json={"moq": 9}),
    "delete": lambda who, deal: who.deletes(deal["id"]),
    "bulk": lambda who, deal: who.bulk("delete", deal["id"]),
}


@pytest.fixture(scope="module")
def proxy(stack: Stack) -> Iterator[SupabaseProxy]:
    """Stand between the app and Supabase."""
    with SupabaseProxy(stack.supabase.url) as running:
        yield running


@pytest.fixture(scope="module")
def troubled_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the log of the app behind the proxy."""
    return tmp_path_factory.mktemp("troubled") / "gunicorn.log"


@pytest.fixture(scope="module")
def troubled(stack: Stack, proxy: SupabaseProxy, troubled_log: Path) -> Iterator[AppServer]:
    """Run the app behind the proxy, with little patience."""
    environment = app_environment(
        stack, SUPABASE_URL=proxy.url, SUPABASE_TIMEOUT=str(_TIMEOUT), SUPABASE_DOWN_AFTER="2"
    )
    with AppServer(environment, workers=1, log=troubled_log) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_stays_wrong(proxy: SupabaseProxy) -> Iterator[None]:
    yield
    proxy.fault = None


@pytest.fixture(scope="module")
def reader(stack: Stack, troubled: AppServer) -> Iterator[tuple[Seller, dict[str, Any]]]:
    """Return a user of that app who only reads, and their deal."""
    with new_seller(stack.supabase, troubled.url) as new:
        yield new, new.creates()


@pytest.fixture
def someone(stack: Stack, troubled: AppServer) -> Iterator[Seller]:
    """Return a new user of that app."""
    with new_seller(stack.supabase, troubled.url) as new:
        yield new


def _is_trouble(answer: httpx.Response) -> dict[str, Any]:
    document = problem(answer, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    assert "secret" not in answer.text
    return document


@pytest.mark.parametrize("fault", _FAULTS)
def test_a_read_that_goes_wrong_is_unavailable(
    reader: tuple[Seller, dict[str, Any]], proxy: SupabaseProxy, redis: Redis, fault: str
) -> None:
    """Whatever comes back that is not the answer; and nothing of it is taken for numbers."""
    seller, deal = reader
    redis.delete(seller.key)
    proxy.fault = _FAULTS[fault]
    for read in _READS.values():
        _is_trouble(read(seller, deal))
    stored = redis.get(seller.key)
    assert not isinstance(stored, bytes) or not stored.startswith(b"{")


def test_when_the_trouble_is_over_the_numbers_come_back_by_themselves(someone: Seller, proxy: SupabaseProxy) -> None:
    """Within seconds, and cached again."""
    proxy.fault = _FAULTS["a page of HTML"]
    _is_trouble(someone.reads_stats())
    proxy.fault = None
    assert wait_until(lambda: someone.reads_stats().status_code == 200, seconds=5)
    assert "hit" in someone.reads_stats().headers["Cache-Status"]


@pytest.mark.parametrize("fault", _FAULTS)
def test_a_write_that_goes_wrong_is_unavailable_and_never_leaves_an_old_number(
    someone: Seller, proxy: SupabaseProxy, redis: Redis, fault: str
) -> None:
    """It may have happened or not, and is not denied: the next numbers are those of the database, whichever."""
    for write in _WRITES.values():
        deal = someone.creates()
        redis.set(
            someone.key, b'{"all":9,"asin_found":9,"needs_selection":0,"needs_asin":0,"manual_entry":0}', px=9_000
        )
        proxy.fault = _FAULTS[fault]
        assert "nothing was changed" not in _is_trouble(write(someone, deal))["detail"]
        proxy.fault = None
        assert someone.stats()["all"] == len({item["product_id"] for item in someone.lists()})


def test_a_lost_answer_leaves_the_tombstone_standing(someone: Seller, proxy: SupabaseProxy) -> None:
    """The change did happen, is shown at once, and nothing is stored until its outcome cannot come any more."""
    assert someone.stats()["all"] == 0
    proxy.fault = _FAULTS["answer lost"]
    assert "may have happened" in _is_trouble(_WRITES["create"](someone, {}))["detail"]
    proxy.fault = None
    status = someone.cache_status()
    assert (status["state"], status["user_cached"]) == ("tombstone", False)
    assert 10 < status["ttl_seconds"] <= 30
    for _ in range(2):
        answer = someone.reads_stats()
        assert "fwd=bypass; detail=writer-in-flight" in answer.headers["Cache-Status"]
        assert answer.json()["asin_found"] == 1


def _refuses(status: str, code: str) -> Fault:
    return _says(status, json.dumps({"code": code, "message": "words of the database"}).encode())


@pytest.mark.parametrize(("code", "state"), [("40003", "tombstone"), ("08007", "tombstone"), ("40001", "absent")])
def test_only_an_error_that_rolled_back_ends_the_change(
    someone: Seller, proxy: SupabaseProxy, code: str, state: str
) -> None:
    """Some SQLSTATEs say that even the database does not know whether it committed; the tombstone stands then."""
    proxy.fault = _refuses("500 Internal Server Error", code)
    _is_trouble(_WRITES["create"](someone, {}))
    proxy.fault = None

    assert someone.cache_status()["state"] == state


def test_a_token_that_only_the_database_finds_expired_is_a_401(someone: Seller, proxy: SupabaseProxy) -> None:
    """With a challenge, as every 401."""
    proxy.fault = _refuses("401 Unauthorized", "PGRST301")

    answer = someone.reads_stats()

    assert problem(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_change_that_never_left_changed_nothing_and_says_so(
    someone: Seller, settings: Settings, redis: Redis
) -> None:
    """Nobody listens at the database's address: the outcome is known, so no tombstone stays."""
    away = settings.model_copy(update={"supabase_url": f"http://127.0.0.1:{free_port()}"})
    headers = {"Authorization": f"Bearer {someone.token}"}
    redis.delete(someone.key)
    with running_app(away) as app:
        client = app.test_client()
        answers = [
            client.post("/products", json={"title": "x"}, headers=headers),
            *(client.get(path, headers=headers) for path in (STATS, "/products")),
        ]
        assert client.get(CACHE_STATUS, headers=headers).get_json()["state"] != "tombstone"
    for answer in answers:
        assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
        assert int(answer.headers["Retry-After"]) >= 1
        assert "nothing was changed" in answer.get_json()["detail"]


def test_a_paused_database_costs_one_timeout_and_a_late_commit_is_never_missed(
    stack: Stack, someone: Seller, redis: Redis
) -> None:
    """The change that was waiting is carried out after the client has long been told that nobody knows."""
    assert someone.stats()["all"] == 0
    stack.supabase.pause()
    try:
        for call in (_WRITES["create"], _READS["list"]):
            started = time.monotonic()
            _is_trouble(call(someone, {}))
            assert time.monotonic() - started < _TIMEOUT + 1
        assert someone.cache_status()["state"] == "tombstone"
        _is_trouble(someone.reads_stats())
    finally:
        stack.supabase.resume()
    assert wait_until(lambda: len(_listed(someone)) == 1, seconds=20)
    assert someone.stats()["asin_found"] == 1
    assert someone.cache_status()["state"] == "tombstone"
    redis.delete(someone.key)


def _listed(someone: Seller) -> list[dict[str, Any]]:
    answer = someone.http.get("/products")
    items: list[dict[str, Any]] = answer.json()["items"] if answer.status_code == 200 else []
    return items


def test_numbers_in_the_cache_are_still_served_while_the_database_is_away(
    someone: Seller, proxy: SupabaseProxy
) -> None:
    """They are right: nobody can change anything meanwhile without invalidating them."""
    someone.creates()
    assert someone.stats()["all"] == 1
    proxy.fault = _FAULTS["502 of a gateway"]
    answer = someone.reads_stats()
    assert (answer.status_code, answer.json()["all"]) == (200, 1)
    assert "hit" in answer.headers["Cache-Status"]


def test_the_log_of_all_this_has_no_trace_and_no_secret(troubled_log: Path, someone: Seller) -> None:
    """Expected trouble is not a crash."""
    text = troubled_log.read_text()
    assert "Traceback" not in text
    assert someone.token not in text
    assert "secret SQL words" not in text
