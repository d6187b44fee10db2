"""A database failure is answered with 503 and Retry-After, never with zeros, old numbers or a 500."""

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
from tests.proxy import FAULTS, Fault, SupabaseProxy, faulty_answer
from tests.sellers import CACHE_STATUS, STATS, Seller, app_environment, new_seller, running_app

_TIMEOUT = 3.0  # seconds; the embedded database answers one call at a time, on a busy machine

Call = Callable[[Seller, dict[str, Any]], httpx.Response]
_READS: dict[str, Call] = {
    "stats": lambda who, _: who.reads_stats(),
    "list": lambda who, _: who.http.get("/products"),
    "product": lambda who, deal: who.http.get(f"/products/{deal['product_id']}"),
}
_WRITES: dict[str, Call] = {
    "create": lambda who, _: who.http.post(
        "/products", json={"title": "Written during a failure", "asin": "B000000009"}
    ),
    "patch product": lambda who, deal: who.http.patch(f"/products/{deal['product_id']}", json={"brand": "New"}),
    "patch deal": lambda who, deal: who.http.patch(f"/products/deal/{deal['id']}", json={"moq": 9}),
    "delete": lambda who, deal: who.deletes(deal["id"]),
    "bulk": lambda who, deal: who.bulk("delete", deal["id"]),
}


@pytest.fixture(scope="module")
def faulty_app(stack: Stack, proxy: SupabaseProxy, log: Path) -> Iterator[AppServer]:
    """Run the app behind the proxy, with short timeouts."""
    environment = app_environment(
        stack, SUPABASE_URL=proxy.url, SUPABASE_TIMEOUT=str(_TIMEOUT), SUPABASE_DOWN_AFTER="4"
    )
    with AppServer(environment, workers=1, log=log) as running:
        yield running


@pytest.fixture(autouse=True)
def _clear_fault(proxy: SupabaseProxy) -> Iterator[None]:
    yield
    proxy.fault = None


@pytest.fixture(scope="module")
def reader(stack: Stack, faulty_app: AppServer) -> Iterator[tuple[Seller, dict[str, Any]]]:
    """Return a user of `faulty_app` who only reads, and their deal."""
    with new_seller(stack.supabase, faulty_app.url) as new:
        yield new, new.creates()


@pytest.fixture
def someone(stack: Stack, faulty_app: AppServer) -> Iterator[Seller]:
    """Return a new user of `faulty_app`."""
    with new_seller(stack.supabase, faulty_app.url) as new:
        yield new


def _unavailable(answer: httpx.Response) -> dict[str, Any]:
    document = problem(answer, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    assert "secret" not in answer.text
    return document


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_read_is_a_503(
    reader: tuple[Seller, dict[str, Any]], proxy: SupabaseProxy, redis: Redis, fault: str
) -> None:
    """For every faulty answer. No part of it is stored as numbers."""
    seller, deal = reader
    redis.delete(seller.key)
    proxy.fault = FAULTS[fault]
    for read in _READS.values():
        _unavailable(read(seller, deal))
    stored = redis.get(seller.key)
    assert not isinstance(stored, bytes) or not stored.startswith(b"{")


def test_after_a_failure_the_numbers_recover_by_themselves(someone: Seller, proxy: SupabaseProxy) -> None:
    """Within 5 s, and the numbers are cached again."""
    proxy.fault = FAULTS["an HTML page"]
    _unavailable(someone.reads_stats())
    proxy.fault = None
    assert wait_until(lambda: "; hit" in someone.reads_stats().headers.get("Cache-Status", ""), seconds=5)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_write_is_a_503_and_never_leaves_an_old_number(
    someone: Seller, proxy: SupabaseProxy, redis: Redis, fault: str
) -> None:
    """The change may have happened, and the answer does not deny it. The next numbers are those of the database."""
    for write in _WRITES.values():
        deal = someone.creates()
        redis.set(
            someone.key, b'{"all":9,"asin_found":9,"needs_selection":0,"needs_asin":0,"manual_entry":0}', px=9_000
        )
        proxy.fault = FAULTS[fault]
        assert "nothing was changed" not in _unavailable(write(someone, deal))["detail"]
        proxy.fault = None
        assert someone.stats()["all"] == len({item["product_id"] for item in someone.lists()})


def test_a_lost_answer_keeps_the_writer_in_the_entry(someone: Seller, proxy: SupabaseProxy) -> None:
    """The change did happen and is visible at once. No value is stored until the deadline of the writer."""
    assert someone.stats()["all"] == 0
    proxy.fault = FAULTS["answer lost"]
    assert "may have happened" in _unavailable(_WRITES["create"](someone, {}))["detail"]
    with_key = someone.http.post("/products", json={"title": "Lamp"}, headers={"Idempotency-Key": "k"})
    assert "Send the same request with the same Idempotency-Key" in _unavailable(with_key)["detail"]
    proxy.fault = None
    status = someone.cache_status()
    assert (status["state"], status["user_cached"]) == ("writing", False)
    assert 10 < status["ttl_seconds"] <= 30
    for _ in range(2):
        answer = someone.reads_stats()
        assert "fwd=bypass; detail=writer-in-flight" in answer.headers["Cache-Status"]
        assert answer.json()["asin_found"] == 1


def _refuses(status: str, code: str) -> Fault:
    return faulty_answer(status, json.dumps({"code": code, "message": "words of the database"}).encode())


@pytest.mark.parametrize(("code", "state"), [("40003", "writing"), ("08007", "writing"), ("40001", "absent")])
def test_only_a_certain_rollback_ends_the_write(someone: Seller, proxy: SupabaseProxy, code: str, state: str) -> None:
    """For some SQLSTATEs it is unknown whether the transaction committed. Then the writer stays in the entry."""
    proxy.fault = _refuses("500 Internal Server Error", code)
    _unavailable(_WRITES["create"](someone, {}))
    proxy.fault = None

    assert someone.cache_status()["state"] == state


def test_a_token_that_the_database_reports_as_expired_is_a_401(someone: Seller, proxy: SupabaseProxy) -> None:
    """It has a challenge, like every 401."""
    proxy.fault = _refuses("401 Unauthorized", "PGRST301")

    answer = someone.reads_stats()

    assert problem(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_change_that_was_not_sent_is_answered_with_nothing_was_changed(
    someone: Seller, settings: Settings, redis: Redis
) -> None:
    """The connection is refused, so the outcome is known and no writer stays in the entry."""
    unreachable = settings.model_copy(update={"supabase_url": f"http://127.0.0.1:{free_port()}"})
    headers = {"Authorization": f"Bearer {someone.token}"}
    redis.delete(someone.key)
    with running_app(unreachable) as app:
        client = app.test_client()
        answers = [
            client.post("/products", json={"title": "x"}, headers=headers),
            *(client.get(path, headers=headers) for path in (STATS, "/products")),
        ]
        assert client.get(CACHE_STATUS, headers=headers).get_json()["state"] != "writing"
    for answer in answers:
        assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
        assert int(answer.headers["Retry-After"]) >= 1
        assert "nothing was changed" in answer.get_json()["detail"]


def test_a_paused_database_costs_one_timeout_and_a_late_commit_is_visible(
    stack: Stack, someone: Seller, redis: Redis
) -> None:
    """The pending change is committed long after the client got the answer that its outcome is unknown."""
    assert someone.stats()["all"] == 0
    stack.supabase.pause()
    try:
        for call in (_WRITES["create"], _READS["list"]):
            started = time.monotonic()
            _unavailable(call(someone, {}))
            assert time.monotonic() - started < 2 * _TIMEOUT
        assert someone.cache_status()["state"] == "writing"
        _unavailable(someone.reads_stats())
    finally:
        stack.supabase.resume()
    assert wait_until(lambda: len(_listed(someone)) == 1, seconds=20)
    assert someone.stats()["asin_found"] == 1
    assert someone.cache_status()["state"] == "writing"
    redis.delete(someone.key)


def _listed(someone: Seller) -> list[dict[str, Any]]:
    answer = someone.http.get("/products")
    items: list[dict[str, Any]] = answer.json()["items"] if answer.status_code == 200 else []
    return items


def test_cached_numbers_are_served_while_the_database_is_down(someone: Seller, proxy: SupabaseProxy) -> None:
    """They are correct, because every change invalidates them."""
    someone.creates()
    assert someone.stats()["all"] == 1
    proxy.fault = FAULTS["502 of a gateway"]
    answer = someone.reads_stats()
    assert (answer.status_code, answer.json()["all"]) == (200, 1)
    assert "hit" in answer.headers["Cache-Status"]


def test_database_failures_log_no_traceback_and_no_secret(
    log: Path, someone: Seller, proxy: SupabaseProxy, redis: Redis
) -> None:
    """The log has the SQLSTATE, but not the database's message."""
    deal = someone.creates()
    redis.delete(someone.key)
    proxy.fault = FAULTS["500 with an SQLSTATE"]
    for call in (*_READS.values(), *_WRITES.values()):
        _unavailable(call(someone, deal))
    assert wait_until(lambda: "refused with SQLSTATE 57014" in log.read_text(), seconds=30)
    text = log.read_text()
    assert "Traceback" not in text
    assert someone.token not in text
    assert "secret SQL words" not in text
