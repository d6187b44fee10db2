"""Rules that hold for each route of the API: query parameters, the header Accept, and answers without content."""

import re
from typing import Final
from uuid import uuid4

import httpx
import pytest
from flask import Flask

from tests.problems import kind_of, pointers, problem
from tests.sellers import STATS, Seller

_ANY_MEDIA_TYPE: Final = {"/healthz", "/readyz", "/metrics"}
_OWN_MEDIA_TYPE: Final = {
    "/products/export": "text/csv",
    "/products/import": "application/x-ndjson",
    "/products/candidates": "application/x-ndjson",
}


def _routes(app: Flask) -> list[tuple[str, str]]:
    """Return method and path of every route of the API and of the diagnostics."""
    return sorted(
        (method, re.sub("<uuid:[^>]+>", str(uuid4()), rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(("products.", "matches.", "diagnostics."))
        for method in (rule.methods or set()) - {"OPTIONS"}
    )


def _sends(seller: Seller, method: str, path: str, **headers: str) -> httpx.Response:
    return seller.http.request(method, path, headers={"Content-Type": "application/json", **headers})


def test_each_route_refuses_an_unknown_query_parameter(app: Flask, operator: Seller) -> None:
    """422 names it, on routes with and without parameters. A misspelt parameter is never ignored."""
    routes = _routes(app)
    assert len(routes) >= 15
    for method, path in routes:
        needed = "asin_status=needs_asin&" if path == "/products/queue" else ""
        answer = _sends(operator, method, f"{path}?{needed}unknown=1&a~b/c=2")
        assert answer.status_code == 422, (method, path, answer.text)
        if method != "HEAD":
            assert (pointers(answer), kind_of(answer)) == (["/unknown", "/a~0b~1c"], "invalid-parameters")


@pytest.mark.parametrize(
    ("method", "path", "pointer"),
    [
        ("GET", "/products?limit=5&limit=5", "/limit"),
        ("GET", "/products/export?stage=new&stage=ordered", "/stage"),
        ("DELETE", f"/products/deal/{uuid4()}?hard=true&hard=false", "/hard"),
        ("POST", "/products/import?dry_run=true&dry_run=true", "/dry_run"),
        ("POST", "/products/candidates?accept_single=true&accept_single=true", "/accept_single"),
    ],
)
def test_a_repeated_query_parameter_is_refused(seller: Seller, method: str, path: str, pointer: str) -> None:
    """It would be ambiguous which of the values counts."""
    answer = _sends(seller, method, path)
    assert (pointers(answer), kind_of(answer)) == ([pointer], "invalid-parameters")


def test_each_route_refuses_an_accept_header_without_its_media_type(app: Flask, seller: Seller) -> None:
    """406 says which media types there are. Probes and Prometheus are answered with any Accept header."""
    for method, path in _routes(app):
        if path in _ANY_MEDIA_TYPE or method == "HEAD":
            continue
        for accept in ("text/html", "application/json;q=0, text/csv;q=0, application/x-ndjson;q=0, */*", "image/*"):
            document = problem(_sends(seller, method, path, Accept=accept), 406)
            assert document["kind"] == "not-acceptable"
            assert _OWN_MEDIA_TYPE.get(path, "application/json") in document["available"]
    for path in _ANY_MEDIA_TYPE - {"/metrics"}:
        assert _sends(seller, "GET", path, Accept="text/html").status_code == 200


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/json",
        "application/*;q=0.1",
        "Application/JSON; charset=utf-8",
        "text/html, application/json;q=0.5",
        "text/html, */*;q=0.1",
        "*/*;q=0, application/json",
        "application/problem+json, application/json",
        "text/html, image/gif, *; q=.2, */*; q=.2",
        "",
    ],
)
def test_each_form_of_an_accept_header_for_json_is_accepted(seller: Seller, accept: str) -> None:
    """Ranges, weights, letter case and parameters (RFC 9110 §12.5.1)."""
    for path in (STATS, "/products"):
        answer = seller.http.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        assert "Accept" in answer.headers["Vary"]


def test_a_refused_request_changes_nothing(seller: Seller) -> None:
    """The checks come before the view."""
    deal = seller.creates()
    before = seller.sees()
    assert _sends(seller, "DELETE", f"/products/deal/{deal['id']}", Accept="text/html").status_code == 406
    assert seller.http.post("/products?x=1", json={"title": "x"}).status_code == 422
    assert seller.sees() == before


def test_answers_without_content_have_no_content_type(app: Flask, seller: Seller) -> None:
    """204 after a deletion, and the answer to OPTIONS on each route, which has the header Allow."""
    answer = seller.deletes(seller.creates()["id"])
    assert (answer.status_code, answer.headers.get("Content-Type")) == (204, None)
    for _, path in _routes(app):
        options = seller.http.options(path)
        assert (options.status_code, options.content) == (200, b""), path
        assert "Content-Type" not in options.headers
        assert "OPTIONS" in options.headers["Allow"]
