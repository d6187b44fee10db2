"""Requests that look unlike what we take: bodies with a content coding, and paths that seem to name a host."""

import gzip
import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest
from flask import Flask

from local.application import AppServer
from tests.problems import problem
from tests.sellers import Seller
from tests.visitors import Visitor, new_visitor

_CODINGS: Final = ("gzip", "deflate", "br", "X-GZIP", "identity, gzip", "nonsense")
_JSON: Final = {"Content-Type": "application/json"}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def visitor(server: AppServer, seller: Seller) -> Iterator[Visitor]:
    """Return `seller` at the desk, signed in, on a page with a form."""
    with new_visitor(server.url) as someone:
        someone.signs_in(seller)
        someone.opens("/desk/products/new")
        yield someone


def _bodied(app: Flask) -> list[tuple[str, str]]:
    """Return method and address of every route that reads a body."""
    return sorted(
        (method, re.sub(r"<any\((\w+)[^>]*>", r"\1", re.sub("<uuid:[^>]+>", str(uuid4()), rule.rule)))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & {"POST", "PUT", "PATCH"}
    )


def _of_the_desk(path: str) -> bool:
    return not path.startswith("/products")


def test_no_route_of_the_api_takes_a_body_with_a_content_coding(app: Flask, seller: Seller) -> None:
    """415 that names what is taken (RFC 9110 §12.5.3), and nothing is changed."""
    before = seller.sees()
    routes = [(method, path) for method, path in _bodied(app) if not _of_the_desk(path)]
    assert len(routes) >= 5
    for method, path in routes:
        kind = {"Content-Type": "text/csv"} if path.endswith("/import") else _JSON
        for body in (b'{"title": "Lamp"}', gzip.compress(b'{"title": "Lamp"}')):
            answer = seller.http.request(method, path, content=body, headers={"Content-Encoding": "gzip", **kind})
            assert "Content-Encoding" in problem(answer, 415)["detail"], path
            assert answer.headers["Accept-Encoding"] == "identity"
    assert seller.sees() == before


def test_no_form_of_the_desk_takes_a_body_with_a_content_coding(app: Flask, visitor: Visitor, seller: Seller) -> None:
    """The same, as a page."""
    before = seller.sees()
    routes = [(method, path) for method, path in _bodied(app) if _of_the_desk(path)]
    assert len(routes) >= 5
    form = urlencode({"csrf_token": visitor.csrf_token, "title": "Lamp"}).encode()
    for method, path in routes:
        answer = visitor.http.request(method, path, content=form, headers={"Content-Encoding": "gzip", **_FORM})
        assert (answer.status_code, answer.headers.get("Accept-Encoding")) == (415, "identity"), (path, answer.text)
        assert "Content-Encoding" in answer.text
    assert seller.sees() == before
    assert visitor.opens("/").status_code == 200, "still signed in"


@pytest.mark.parametrize("coding", _CODINGS)
def test_each_coding_is_refused_in_a_file_of_any_length_too(seller: Seller, coding: str) -> None:
    """Known or not, in any case, among others; chunked bodies and forms with a file like all."""
    for kind in ("text/csv", "multipart/form-data; boundary=x"):
        headers = {"Content-Encoding": coding, "Content-Type": kind}
        answer = seller.http.post("/products/import", content=iter([b"asin\n", b"B000000001\n"]), headers=headers)
        problem(answer, 415)
    assert seller.lists() == []


@pytest.mark.parametrize("coding", ["", "identity", "Identity"])
def test_a_body_as_it_is_may_say_so(seller: Seller, coding: str) -> None:
    """`identity` is no coding."""
    body = json.dumps({"title": "Lamp"})
    answer = seller.http.post("/products", content=body, headers={"Content-Encoding": coding, **_JSON})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "path",
    ["/products//stats/asin-status", "/desk//import", "//desk//import", "//evil.example/products", "/products//"],
)
def test_a_path_with_an_empty_segment_leads_nowhere(server: AppServer, path: str) -> None:
    """404, and no redirect to the host that the client named."""
    url = httpx.URL(server.url, raw_path=path.encode())
    for method in ("GET", "POST", "HEAD"):
        answer = httpx.request(method, url, headers={"Host": "evil.example"})
        assert (answer.status_code, answer.headers.get("Location")) == (404, None), method


@pytest.mark.parametrize("path", ["//", "//desk/import", "//sign-in", "///healthz"])
def test_more_slashes_in_front_never_lead_to_another_host(server: AppServer, path: str) -> None:
    """They count as one, also in the address that a browser comes back to after signing in."""
    answer = httpx.get(httpx.URL(server.url, raw_path=path.encode()))
    assert answer.status_code in {200, 303}
    assert "//" not in answer.headers.get("Location", "")
