"""Every answer of every route has the security headers, errors and redirects included."""

import re
from collections.abc import Iterator
from typing import Final
from uuid import uuid4

import httpx
import pytest
from flask import Flask, abort
from werkzeug.test import TestResponse

from app.headers import TRANSPORT
from config import Settings
from local.application import AppServer
from local.server import free_port
from local.stack import Stack
from tests.clients import client
from tests.sellers import STATS, Seller, app_environment, running_app

_METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PUT")
_FIXED: Final = {"Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff"}
_EVERYWHERE: Final = {*_FIXED, "Cache-Control", "Content-Security-Policy", "X-Request-ID"}
_FOR_PAGES: Final = {"Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "same-origin"}
_DOCUMENT_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"


def _path_for(rule: str) -> str:
    """Return a path that matches a rule of the URL map."""
    found = re.sub("<path:[^>]+>", "desk.css", re.sub("<uuid:[^>]+>", str(uuid4()), rule))
    found = found.replace("<slug>", "conflict")
    return re.sub(r"<any\((\w+)[^>]*>", r"\1", found)


def _all_paths(app: Flask) -> set[str]:
    return {_path_for(rule.rule) for rule in app.url_map.iter_rules()}


@pytest.fixture
def anonymous_client(server: AppServer) -> Iterator[httpx.Client]:
    """Return an HTTP client without credentials."""
    with client(server.url) as http:
        yield http


def _check(answer: httpx.Response | TestResponse, path: str) -> None:
    """Check that an answer has each header once, with the right value for the path."""
    where, headers = f"{path}: {answer.status_code}", answer.headers
    values = {}
    for name in _EVERYWHERE:
        found = headers.get_list(name) if isinstance(headers, httpx.Headers) else headers.getlist(name)
        assert len(found) == 1, (where, name, found)
        values[name] = found[0]
    assert {name: values[name] for name in _FIXED} == _FIXED, where
    assert "frame-ancestors 'none'" in values["Content-Security-Policy"], where
    assert "unsafe" not in values["Content-Security-Policy"], where
    is_desk = "'self'" in values["Content-Security-Policy"]
    assert is_desk or "<html" not in answer.text, where
    for_pages = {name: headers.get(name) for name in _FOR_PAGES}
    assert for_pages == (_FOR_PAGES if is_desk else dict.fromkeys(_FOR_PAGES)), where
    assert is_desk is ("camera=()" in headers.get("Permissions-Policy", "")), where
    assert is_desk or values["Content-Security-Policy"] == _DOCUMENT_POLICY, where
    kept = "no-store" not in values["Cache-Control"]
    assert not kept or values["Cache-Control"] in {"private, no-cache", "no-cache"}, where
    assert not kept or "ETag" in headers, where


@pytest.mark.parametrize("who", ["anonymous_client", "seller", "operator", "visitor"])
def test_every_answer_of_every_route_has_the_security_headers(
    app: Flask, who: str, request: pytest.FixtureRequest
) -> None:
    """For every method, allowed or not, and for unknown paths: pages, documents, files, redirects and refusals."""
    caller = request.getfixturevalue(who)
    http: httpx.Client = caller if isinstance(caller, httpx.Client) else caller.http
    statuses = set()
    for path in sorted(_all_paths(app) | {"/nope", "/products/nope/nope", "/desk/nope", "//evil.example/x"}):
        for method in _METHODS:
            answer = http.request(method, httpx.URL(http.base_url, raw_path=path.encode()))
            _check(answer, path)
            statuses.add(answer.status_code)

    expected = {
        "anonymous_client": {200, 303, 401, 404, 405},
        "seller": {200, 403, 404, 405, 415},
        "operator": {200, 404, 405, 415},
        "visitor": {200, 403, 404, 405},
    }
    assert statuses >= expected[who]


def test_answers_to_writes_and_conditional_requests_have_the_security_headers(seller: Seller) -> None:
    """Creates, changes, invalid bodies, unmodified and streamed answers."""
    deal = seller.creates()
    stats = seller.reads_stats()
    answers = [
        (200, stats),
        (200, seller.reads_stats()),
        (304, seller.reads_stats(**{"If-None-Match": stats.headers["ETag"]})),
        (422, seller.http.get("/products?limit=0")),
        (422, seller.http.post("/products", json={})),
        (400, seller.http.post("/products", content=b"{", headers={"Content-Type": "application/json"})),
        (413, seller.http.post("/products", content=b" " * 1_100_000, headers={"Content-Type": "application/json"})),
        (200, seller.http.get(f"/products/{deal['product_id']}")),
        (200, seller.http.get("/products")),
        (200, seller.http.get("/products/export")),
        (200, seller.http.post("/products/import", content=b"asin\n", headers={"Content-Type": "text/csv"})),
        (204, seller.deletes(deal["id"])),
    ]
    for status, answer in answers:
        assert answer.status_code == status, answer.text
        _check(answer, answer.request.url.path)


def test_server_errors_have_the_security_headers(stack: Stack, seller: Seller) -> None:
    """503 without a database and 500 for a bug. In production each answer has the HSTS header."""
    environment = app_environment(
        stack,
        APP_ENV="production",
        SECRET_KEY="a-key-for-tests-of-at-least-32-characters",
        SUPABASE_URL=f"http://127.0.0.1:{free_port()}",
        REDIS_URL="",
    )
    settings = Settings.model_validate({name.lower(): value for name, value in environment.items()})
    with running_app(settings) as app:
        app.add_url_rule("/mistaken", "mistaken", lambda: str(1 // 0))
        app.add_url_rule("/refused", "refused", lambda: abort(400))
        http, answers = app.test_client(), list[tuple[str, TestResponse]]()
        for path in ("/products", STATS, "/readyz", "/mistaken", "/refused", "/nope", "/favicon.ico"):
            answers.append((path, http.get(path, headers={"Authorization": f"Bearer {seller.token}"}, buffered=True)))

    assert [answer.status_code for _, answer in answers] == [503, 503, 503, 500, 400, 404, 200]
    for path, answer in answers:
        _check(answer, path)
        assert {name: answer.headers.getlist(name) for name in TRANSPORT} == {
            name: [value] for name, value in TRANSPORT.items()
        }


def test_hsts_is_sent_only_in_production(seller: Seller) -> None:
    """With HSTS from localhost, a browser would refuse plain HTTP on localhost for a year."""
    assert not TRANSPORT.keys() & {name.title() for name in seller.reads_stats().headers}
