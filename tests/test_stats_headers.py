"""What the headers tell about the five numbers: where they came from, how to ask again, how long it took."""

import re
from http import HTTPStatus

import httpx
import pytest
from flask import Flask
from redis import Redis
from werkzeug.test import Client

from app.caching import Answer, Outcome
from app.products.representation import stats_response
from app.products.stats import AsinStats
from local.application import AppServer
from tests.problems import problem
from tests.sellers import STATS, Seller


def test_cache_status_tells_a_miss_from_a_hit_and_how_long_the_entry_lives(seller: Seller, redis: Redis) -> None:
    """RFC 9211; the TTL is what Redis says, in whole seconds."""
    miss = re.fullmatch(r"asin-stats; fwd=miss; stored; ttl=(\d+)", seller.reads_stats().headers["Cache-Status"])
    assert miss
    before = redis.pttl(seller.key)
    hit = re.fullmatch(r"asin-stats; hit; ttl=(\d+)", seller.reads_stats().headers["Cache-Status"])
    assert hit
    assert redis.pttl(seller.key) // 1000 <= int(hit[1]) <= before // 1000 <= int(miss[1]) <= 10


def test_a_foreign_value_under_the_key_is_neither_believed_nor_kept(seller: Seller, redis: Redis) -> None:
    """Bypassed with the reason, then cached again."""
    redis.set(seller.key, '{"all": 1}', px=10_000)
    answer = seller.reads_stats()
    assert answer.headers["Cache-Status"] == "asin-stats; fwd=bypass; detail=poison"
    assert answer.json()["all"] == 0
    assert "stored" in seller.reads_stats().headers["Cache-Status"]


def test_while_a_writer_is_in_flight_the_cache_is_bypassed(seller: Seller, redis: Redis) -> None:
    """And says so."""
    redis.set(seller.key, b"dirty:someone@99999999999999", px=9_000)
    for _ in range(2):
        assert seller.reads_stats().headers["Cache-Status"] == "asin-stats; fwd=bypass; detail=writer-in-flight"


def test_an_unchanged_answer_is_304(seller: Seller) -> None:
    """With the same validator and no body, on a hit as on a miss; any of several ETags counts, and weak ones too."""
    first = seller.reads_stats()
    etag = first.headers["ETag"]
    assert re.fullmatch(r'"[^"]+"', etag)
    for given in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = seller.reads_stats(**{"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["ETag"]) == (HTTPStatus.NOT_MODIFIED, b"", etag)
        assert "hit" in again.headers["Cache-Status"]
        assert again.headers["Vary"] == first.headers["Vary"]
        assert len(again.headers.get_list("Date")) == len(first.headers.get_list("Date")) == 1
    assert seller.reads_stats(**{"If-None-Match": '"other"'}).status_code == HTTPStatus.OK


@pytest.mark.parametrize("conditional", [{}, {"If-None-Match": "*"}])
def test_what_is_to_follow_the_answer_follows(conditional: dict[str, str]) -> None:
    """Whatever an extension wants done when the answer is sent."""
    response, done = stats_response(Answer(AsinStats(0, 0, 0, 0, 0), Outcome.HIT, 1)), list[str]()
    response.call_on_close(lambda: done.append("done"))

    Client(response).get("/", headers=conditional).close()

    assert done == ["done"]


def test_a_changed_number_is_a_changed_validator(seller: Seller) -> None:
    """So a client that revalidates is never stale."""
    before = seller.reads_stats().headers["ETag"]
    seller.creates()
    after = seller.reads_stats(**{"If-None-Match": before})
    assert (after.status_code, after.json()["all"]) == (HTTPStatus.OK, 1)
    assert after.headers["ETag"] != before


def test_no_shared_cache_may_keep_it(seller: Seller) -> None:
    """Private, revalidated each time, and different for each identity."""
    for answer in (seller.reads_stats(), seller.reads_stats()):
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert {name.strip() for name in answer.headers["Vary"].split(",")} >= {"Authorization", "Cookie"}
        assert answer.headers["Content-Type"] == "application/json"


def test_server_timing_names_the_cache_always_and_the_database_only_when_it_was_asked(seller: Seller) -> None:
    """In milliseconds."""
    miss, hit = seller.reads_stats(), seller.reads_stats()
    assert set(_timings(miss)) == {"cache", "db"}
    assert set(_timings(hit)) == {"cache"}
    assert all(0 <= duration < 30_000 for duration in (_timings(miss) | _timings(hit)).values())
    assert set(_timings(seller.http.get("/products"))) == {"db"}


def _timings(answer: httpx.Response) -> dict[str, float]:
    entries = (entry.split(";dur=") for entry in answer.headers["Server-Timing"].split(", "))
    return {name: float(duration) for name, duration in entries}


@pytest.mark.parametrize("path", [STATS, "/products", "/healthz", "/nope"])
def test_a_callers_request_id_is_echoed(seller: Seller, path: str) -> None:
    """Whatever the outcome."""
    given = "Order-7_of.2026"
    assert seller.http.get(path, headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize(
    "junk", [b"", b"x" * 65, b"a b", b'{"level": "ERROR"}', b"id;admin", b"\xe9", b"%0d%0aSet-Cookie:x"]
)
def test_junk_for_a_request_id_is_replaced(seller: Seller, junk: bytes) -> None:
    """It goes into every log line, so only a plain token is taken over."""
    answer = seller.http.get("/healthz", headers={b"X-Request-ID": junk})
    assert re.fullmatch(r"[0-9a-f]{24}", answer.headers["X-Request-ID"])


def test_without_one_each_request_gets_an_id_of_its_own(server: AppServer) -> None:
    """Errors included."""
    answers = [httpx.get(f"{server.url}{STATS}") for _ in range(3)]
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert len(set(ids)) == 3
    assert len({given[:4] for given in ids}) > 1, "two ids of one worker must not show how many there were between"
    problem(answers[0], 401)


def test_a_head_request_gets_the_headers_and_no_body(app: Flask, seller: Seller) -> None:
    """The short cut for GET must not send HEAD a body nobody reads: the next answer would begin in its middle."""
    answer = app.test_client().head(STATS, headers={"Authorization": f"Bearer {seller.token}"})

    assert (answer.status_code, answer.data) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0
