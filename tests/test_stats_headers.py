"""The headers of the stats: Cache-Status, ETag, Cache-Control, Server-Timing and X-Request-ID."""

import re
from http import HTTPStatus

import httpx
import pytest
from flask import Flask
from redis import Redis
from werkzeug.test import Client

from app.caching import Answer, Outcome
from app.products.breakdown import AsinStats
from app.products.representation import stats_response
from local.application import AppServer
from tests.problems import problem
from tests.sellers import STATS, Seller
from tests.visitors import Visitor


def test_cache_status_has_hit_or_miss_and_the_ttl(seller: Seller, redis: Redis) -> None:
    """As in RFC 9211. The TTL is the one that Redis reports, in whole seconds."""
    miss = re.fullmatch(r"asin-stats; fwd=miss; stored; ttl=(\d+)", seller.reads_stats().headers["Cache-Status"])
    assert miss
    before = redis.pttl(seller.key)
    hit = re.fullmatch(r"asin-stats; hit; ttl=(\d+)", seller.reads_stats().headers["Cache-Status"])
    assert hit
    assert redis.pttl(seller.key) // 1000 <= int(hit[1]) <= before // 1000 <= int(miss[1]) <= 10


def test_an_invalid_value_under_the_key_is_discarded(seller: Seller, redis: Redis) -> None:
    """The read bypasses the cache with a reason. The next read stores a value again."""
    redis.set(seller.key, '{"all": 1}', px=10_000)
    answer = seller.reads_stats()
    assert answer.headers["Cache-Status"] == "asin-stats; fwd=bypass; detail=poison"
    assert answer.json()["all"] == 0
    assert "stored" in seller.reads_stats().headers["Cache-Status"]


def test_reads_bypass_the_cache_while_a_writer_is_in_flight(seller: Seller, redis: Redis) -> None:
    """The header has the reason."""
    redis.set(seller.key, b"write:closed someone@99999999999999 0 0 ", px=9_000)
    for _ in range(2):
        assert seller.reads_stats().headers["Cache-Status"] == "asin-stats; fwd=bypass; detail=writer-in-flight"


def test_an_unchanged_answer_is_304(seller: Seller) -> None:
    """304 has the same ETag and no body. Lists of ETags and weak ETags match too."""
    first = seller.reads_stats()
    etag = first.headers["ETag"]
    assert re.fullmatch(r'"[^"]+"', etag)
    for given in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = seller.reads_stats(**{"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["ETag"]) == (HTTPStatus.NOT_MODIFIED, b"", etag)
        assert "hit" in again.headers["Cache-Status"]
        assert len(again.headers.get_list("Date")) == len(first.headers.get_list("Date")) == 1
    assert seller.reads_stats(**{"If-None-Match": '"other"'}).status_code == HTTPStatus.OK


@pytest.mark.parametrize("conditional", [{}, {"If-None-Match": "*"}])
def test_close_callbacks_run_after_the_answer(conditional: dict[str, str]) -> None:
    """An extension's call_on_close callback runs for 200 and 304."""
    response, done = stats_response(Answer(AsinStats(0, 0, 0, 0, 0), Outcome.HIT, 1)), list[str]()
    response.call_on_close(lambda: done.append("done"))

    Client(response).get("/", headers=conditional).close()

    assert done == ["done"]


def test_a_changed_number_changes_the_etag(seller: Seller) -> None:
    """A client that revalidates never keeps old numbers."""
    before = seller.reads_stats().headers["ETag"]
    seller.creates()
    after = seller.reads_stats(**{"If-None-Match": before})
    assert (after.status_code, after.json()["all"]) == (HTTPStatus.OK, 1)
    assert after.headers["ETag"] != before


def test_shared_caches_may_not_store_the_stats(seller: Seller) -> None:
    """The answer is private and must be revalidated."""
    for answer in (seller.reads_stats(), seller.reads_stats()):
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["Content-Type"] == "application/json"


def test_the_stats_vary_by_cookie_only_if_the_cookie_identified_the_caller(seller: Seller, visitor: Visitor) -> None:
    """RFC 9110 §12.5.5: a cache never reuses an answer to a request with Authorization for another user."""
    by_cookie = visitor.http.get(STATS)
    again = visitor.http.get(STATS, headers={"If-None-Match": by_cookie.headers["ETag"]})

    assert (by_cookie.status_code, by_cookie.headers["Vary"]) == (HTTPStatus.OK, "Accept, Cookie")
    assert (again.status_code, again.headers["Vary"]) == (HTTPStatus.NOT_MODIFIED, "Accept, Cookie")
    assert seller.reads_stats().headers["Vary"] == "Accept"


def test_server_timing_has_the_cache_and_on_a_miss_the_database(seller: Seller) -> None:
    """Durations are in milliseconds."""
    miss, hit = seller.reads_stats(), seller.reads_stats()
    assert set(_timings(miss)) == {"cache", "db"}
    assert set(_timings(hit)) == {"cache"}
    assert all(0 <= duration < 30_000 for duration in (_timings(miss) | _timings(hit)).values())
    assert set(_timings(seller.http.get("/products"))) == {"db"}


def _timings(answer: httpx.Response) -> dict[str, float]:
    entries = (entry.split(";dur=") for entry in answer.headers["Server-Timing"].split(", "))
    return {name: float(duration) for name, duration in entries}


@pytest.mark.parametrize("path", [STATS, "/products", "/healthz", "/nope"])
def test_a_valid_request_id_is_echoed(seller: Seller, path: str) -> None:
    """Errors have it too."""
    given = "Order-7_of.2026"
    assert seller.http.get(path, headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize(
    "junk", [b"", b"x" * 65, b"a b", b'{"level": "ERROR"}', b"id;admin", b"\xe9", b"%0d%0aSet-Cookie:x"]
)
def test_an_invalid_request_id_is_replaced(seller: Seller, junk: bytes) -> None:
    """The id is written to every log line, so only a plain token is accepted."""
    answer = seller.http.get("/healthz", headers={b"X-Request-ID": junk})
    assert re.fullmatch(r"[0-9a-f]{24}", answer.headers["X-Request-ID"])


def test_requests_without_an_id_get_unique_ids(server: AppServer) -> None:
    """Errors included."""
    answers = [httpx.get(f"{server.url}{STATS}") for _ in range(3)]
    ids = [answer.headers["X-Request-ID"] for answer in answers]
    assert len(set(ids)) == 3
    assert len({given[:4] for given in ids}) > 1, "ids of one worker must not be a visible counter"
    problem(answers[0], 401)


def test_a_head_request_gets_the_headers_and_no_body(app: Flask, seller: Seller) -> None:
    """The fast path for GET must not send a body to HEAD. The client would read it as the start of the next answer."""
    answer = app.test_client().head(STATS, headers={"Authorization": f"Bearer {seller.token}"})

    assert (answer.status_code, answer.data) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0
