"""Unsupported requests: bodies with a content coding, and paths that look like a host."""

import gzip
import json
import re
from typing import Final
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest
from flask import Flask

from local.application import AppServer
from tests.problems import problem
from tests.sellers import Seller
from tests.visitors import Visitor

_CODINGS: Final = ("gzip", "deflate", "br", "X-GZIP", "identity, gzip", "nonsense")
_JSON: Final = {"Content-Type": "application/json"}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def visitor(visitor: Visitor) -> Visitor:
    """Return `seller`, signed in to the desk, on a page with a form."""
    visitor.opens("/desk/products/new")
    return visitor


def _routes_with_a_body(app: Flask) -> list[tuple[str, str]]:
    """Return method and path of every route that reads a body."""
    return sorted(
        (method, re.sub(r"<any\((\w+)[^>]*>", r"\1", re.sub("<uuid:[^>]+>", str(uuid4()), rule.rule)))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & {"POST", "PUT", "PATCH"}
    )


def _of_the_desk(path: str) -> bool:
    return not path.startswith("/products")


def test_api_routes_refuse_a_body_with_a_content_coding(app: Flask, seller: Seller) -> None:
    """415 names the accepted coding (RFC 9110 §12.5.3), and nothing is changed."""
    before = seller.sees()
    routes = [(method, path) for method, path in _routes_with_a_body(app) if not _of_the_desk(path)]
    assert len(routes) >= 5
    for method, path in routes:
        if path.endswith("/undo"):  # reads no body
            continue
        kind = {"Content-Type": "text/csv"} if path.endswith("/import") else _JSON
        for body in (b'{"title": "Lamp"}', gzip.compress(b'{"title": "Lamp"}')):
            answer = seller.http.request(method, path, content=body, headers={"Content-Encoding": "gzip", **kind})
            assert "Content-Encoding" in problem(answer, 415)["detail"], path
            assert answer.headers["Accept-Encoding"] == "identity"
    assert seller.sees() == before


def test_desk_forms_refuse_a_body_with_a_content_coding(app: Flask, visitor: Visitor, seller: Seller) -> None:
    """415 as a page, and nothing is changed."""
    before = seller.sees()
    routes = [(method, path) for method, path in _routes_with_a_body(app) if _of_the_desk(path)]
    assert len(routes) >= 5
    form = urlencode({"csrf_token": visitor.csrf_token, "title": "Lamp"}).encode()
    for method, path in routes:
        answer = visitor.http.request(method, path, content=form, headers={"Content-Encoding": "gzip", **_FORM})
        assert (answer.status_code, answer.headers.get("Accept-Encoding")) == (415, "identity"), (path, answer.text)
        assert "Content-Encoding" in answer.text
    assert seller.sees() == before
    assert visitor.opens("/").status_code == 200, "still signed in"


@pytest.mark.parametrize("coding", _CODINGS)
def test_imports_refuse_every_content_coding(seller: Seller, coding: str) -> None:
    """Known and unknown codings, in any letter case, and lists. Chunked bodies and multipart forms too."""
    for kind in ("text/csv", "multipart/form-data; boundary=x"):
        headers = {"Content-Encoding": coding, "Content-Type": kind}
        answer = seller.http.post("/products/import", content=iter([b"asin\n", b"B000000001\n"]), headers=headers)
        problem(answer, 415)
    assert seller.lists() == []


@pytest.mark.parametrize("coding", ["", "identity", "Identity"])
def test_the_content_coding_identity_is_accepted(seller: Seller, coding: str) -> None:
    """`identity` means no coding."""
    body = json.dumps({"title": "Lamp"})
    answer = seller.http.post("/products", content=body, headers={"Content-Encoding": coding, **_JSON})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "path",
    ["/products//stats/asin-status", "/desk//import", "//desk//import", "//evil.example/products", "/products//"],
)
def test_a_path_with_an_empty_segment_is_not_found(server: AppServer, path: str) -> None:
    """404, and no redirect to the host in the request."""
    url = httpx.URL(server.url, raw_path=path.encode())
    for method in ("GET", "POST", "HEAD"):
        answer = httpx.request(method, url, headers={"Host": "evil.example"})
        assert (answer.status_code, answer.headers.get("Location")) == (404, None), method


@pytest.mark.parametrize("path", ["//", "//desk/import", "//sign-in", "///healthz"])
def test_leading_slashes_never_redirect_to_another_host(server: AppServer, path: str) -> None:
    """They are treated as one slash, also in the target after a sign-in."""
    answer = httpx.get(httpx.URL(server.url, raw_path=path.encode()))
    assert answer.status_code in {200, 303}
    assert "//" not in answer.headers.get("Location", "")
