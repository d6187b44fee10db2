"""Kinds of problems: their names, pages, URIs, and the kind of each error that several requests can cause."""

import re
from typing import Final
from urllib.parse import urljoin

import httpx
import pytest

from app.problems import Kind
from local.application import AppServer
from tests.problems import kind_of, problem
from tests.sellers import Seller

_BROWSER: Final = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
_PROGRAMS: Final[tuple[dict[str, str], ...]] = ({}, {"Accept": "*/*"}, {"Accept": "application/json"})
_URI_PATH: Final = re.compile(r"(/([A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-F]{2})*)+")


def test_each_kind_has_a_slug_a_title_and_a_meaning_of_its_own() -> None:
    """Slugs are valid path segments. A meaning is one or more sentences."""
    assert len({kind.slug for kind in Kind}) == len({kind.title for kind in Kind}) == len(Kind)
    for kind in Kind:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.slug), kind
        assert 400 <= kind.status <= 599
        assert kind.meaning.endswith("."), kind
        assert kind.type == f"/problems/{kind.slug}" or kind is Kind.QUOTA_EXCEEDED


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.slug)
def test_each_kind_has_a_page_at_its_type(server: AppServer, kind: Kind) -> None:
    """HTML for browsers and JSON for programs, without an account."""
    address = f"{server.url}/problems/{kind.slug}"
    page = httpx.get(address, headers=_BROWSER)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f"<h1>{kind.title}</h1>" in page.text
    for headers in _PROGRAMS:
        answer = httpx.get(address, headers=headers)
        assert answer.status_code == 200
        assert answer.json() == {
            "type": kind.type,
            "kind": kind.slug,
            "title": kind.title,
            "status": kind.status,
            "meaning": kind.meaning,
        }
        assert "Accept" in answer.headers["Vary"]


def test_the_index_lists_each_kind(server: AppServer) -> None:
    """As a page with links, and as a document."""
    page = httpx.get(f"{server.url}/problems", headers=_BROWSER)
    assert sorted(re.findall('href="/problems/([^"]+)"', page.text)) == sorted(kind.slug for kind in Kind)
    document = httpx.get(f"{server.url}/problems").json()
    assert [kind["kind"] for kind in document["problems"]] == [kind.slug for kind in Kind]


def test_an_unknown_kind_is_not_found(server: AppServer) -> None:
    """A page for browsers and a problem document for programs."""
    address = f"{server.url}/problems/nope"
    assert httpx.get(address, headers=_BROWSER).status_code == 404
    assert kind_of(httpx.get(address)) == "unknown-address"


def test_the_type_of_a_problem_resolves_against_the_address_of_the_request(server: AppServer) -> None:
    """A client that resolves the relative reference finds the page."""
    answer = httpx.get(f"{server.url}/products/nope/nope")
    found = httpx.get(urljoin(str(answer.request.url), answer.json()["type"]))
    assert found.json()["kind"] == answer.json()["kind"] == "unknown-address"


@pytest.mark.parametrize(
    "path", ["/nope/%C3%BC%20%E2%82%AC", "//evil.example/x", "/a%2Fb%25", "/a<b>\"c'", "/a?b", "/%00%ff", "/{}|\\^`"]
)
def test_the_instance_is_a_uri_reference_to_this_host(server: AppServer, path: str) -> None:
    """Any character of a path is encoded, and a path cannot become the name of another host."""
    document = problem(httpx.get(httpx.URL(server.url, raw_path=path.encode())), 404)
    assert _URI_PATH.fullmatch(document["instance"]), document["instance"]
    assert urljoin(server.url, document["instance"]).startswith(f"{server.url}/")


def test_each_fault_of_a_request_has_its_kind(server: AppServer, seller: Seller) -> None:
    """Faults with the same status code can be told apart."""
    http, json = seller.http, {"Content-Type": "application/json"}
    deal = seller.creates()
    seller.deletes(deal["id"])
    answers = {
        "invalid-json": http.post("/products", content=b"{", headers=json),
        "unauthenticated": httpx.get(f"{server.url}/products"),
        "invalid-token": httpx.get(f"{server.url}/products", headers={"Authorization": "Bearer x"}),
        "operators-only": http.get("/diagnostics/redis"),
        "unknown-address": http.get("/nope"),
        "not-found": http.get("/products/00000000-0000-4000-8000-000000000000"),
        "method-not-allowed": http.put("/products"),
        "deleted": http.patch(f"/products/deal/{deal['id']}", json={"notes": "x"}),
        "body-too-large": http.post("/products", content=b" " * 1_100_000, headers=json),
        "unsupported-media-type": http.post("/products", content=b"a=b"),
        "unsupported-coding": http.post("/products", content=b"{}", headers={**json, "Content-Encoding": "br"}),
        "invalid-fields": http.post("/products", json={}),
        "invalid-parameters": http.get("/products?limit=0"),
        "unreadable-file": http.post("/products/import", content=b"nothing\n", headers={"Content-Type": "text/csv"}),
    }
    assert {kind: kind_of(answer) for kind, answer in answers.items()} == dict(zip(answers, answers, strict=True))
