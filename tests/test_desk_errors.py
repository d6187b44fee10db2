"""Errors for unknown paths and methods: an HTML page for browsers and a problem document for programs; the favicon."""

import httpx
import pytest

from local import ROOT
from local.application import AppServer
from tests.problems import problem
from tests.sellers import Seller
from tests.visitors import Visitor, new_visitor

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}
PROGRAMS = ("*/*", "application/json", "application/problem+json, text/html;q=0.5", "application/json, text/html", "")


@pytest.mark.parametrize("path", ["/desk/nope", "/desk", "/nope", "/products/nope/nope", "/desk/deals/nope/delete"])
def test_a_browser_gets_a_page_with_a_link_for_an_unknown_path(server: AppServer, path: str) -> None:
    """The page has the desk's layout and headers, and is not cached."""
    answer = httpx.get(server.url + path, headers=BROWSER)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "<h1>Page not found</h1>" in answer.text
    assert '<a class="button primary" href="/">Go to Work</a>' in answer.text
    assert '<html lang="en">' in answer.text
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Accept" in answer.headers["Vary"]
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize("accept", PROGRAMS)
def test_a_program_gets_a_problem_document_for_an_unknown_path(server: AppServer, accept: str) -> None:
    """Under the desk's paths too. curl and most clients send `*/*`."""
    for path in ("/desk/nope", "/nope"):
        found = problem(httpx.get(server.url + path, headers={"Accept": accept}), 404)
        assert found["detail"] == "There is nothing at this address."


@pytest.mark.parametrize(("method", "path", "allowed"), [("GET", "/sign-out", "POST"), ("PUT", "/", "GET")])
def test_a_wrong_method_on_a_desk_path_gets_an_allow_header(
    server: AppServer, method: str, path: str, allowed: str
) -> None:
    """A page for browsers, a document for programs, and the Allow header for both, as 405 requires."""
    page = httpx.request(method, server.url + path, headers=BROWSER)
    assert (page.status_code, page.headers["Content-Type"]) == (405, "text/html; charset=utf-8")
    assert "<h1>This page cannot be opened like this</h1>" in page.text
    document = httpx.request(method, server.url + path)
    assert problem(document, 405)["instance"] == path
    for answer in (page, document):
        assert allowed in answer.headers["Allow"].split(", ")


def test_errors_of_the_api_are_problem_documents_for_browsers_too(server: AppServer, seller: Seller) -> None:
    """For a known path the route decides the format, not the Accept header."""
    problem(httpx.get(f"{server.url}/products", headers=BROWSER), 401)
    missing = "/products/00000000-0000-0000-0000-000000000000"
    problem(seller.http.get(missing, headers=BROWSER), 404)


def test_the_error_page_has_the_users_name_and_sign_out_form(server: AppServer, seller: Seller) -> None:
    """The page has the usual header with a working sign-out form."""
    with new_visitor(server.url) as visitor:
        visitor.signs_in(seller)
        visitor.http.headers.update(BROWSER)
        assert visitor.opens("/desk/nope").status_code == 404
        assert seller.email in visitor.page
        assert visitor.follows(visitor.submits("/sign-out")).status_code == 200
        assert "You are signed out." in visitor.page


def test_the_favicon_is_the_icon_of_the_desk(server: AppServer) -> None:
    """Browsers request it for JSON documents, for example. They may cache it and revalidate it."""
    icon = httpx.get(f"{server.url}/favicon.ico")
    assert (icon.status_code, icon.headers["Content-Type"].split(";")[0]) == (200, "image/svg+xml")
    assert icon.content == (ROOT / "app/desk/static/mark.svg").read_bytes()
    assert "no-store" not in icon.headers["Cache-Control"]
    again = httpx.get(f"{server.url}/favicon.ico", headers={"If-None-Match": icon.headers["ETag"]})
    assert again.status_code == 304


def test_a_refused_request_of_a_script_gets_a_notice_for_the_open_page(visitor: Visitor) -> None:
    """The part of the page that sent it stays as it is, with what the user has typed."""
    script = {"HX-Request": "true"}
    answers = [
        visitor.http.get("/desk/nope", headers=script),
        visitor.http.post("/desk/deals", headers=script, data={"action": "delete"}),
        visitor.http.get("/desk/products/00000000-0000-0000-0000-000000000000", headers=script),
    ]
    assert [answer.status_code for answer in answers] == [404, 403, 404]
    for answer in answers:
        assert answer.headers["HX-Reswap"] == "none"
        assert answer.text.lstrip().startswith('<div id="notices" hx-swap-oob="innerHTML">')
        assert "HX-Request" in answer.headers["Vary"]
        assert "<html" not in answer.text


def test_an_ended_session_tells_a_script_where_to_sign_in(server: AppServer) -> None:
    """The user returns to the page that sent the request, if it is one of this site."""
    ours = f"{server.url}/deals?stage=new"
    for shown, following in ((ours, "?next=/deals?stage%3Dnew"), ("https://evil.example/x", ""), ("http://[", "")):
        headers = {"HX-Request": "true", "HX-Current-URL": shown}
        answer = httpx.get(f"{server.url}/desk/products/new", headers=headers)
        assert answer.status_code == 401
        assert "Your session has ended. Nothing was saved." in answer.text
        assert f'href="/sign-in{following}"' in answer.text
        assert "Set-Cookie" not in answer.headers
