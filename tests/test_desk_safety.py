"""Safety of the desk: separate sellers, escaped input, no framing, and HTML errors."""

import html

import pytest

from local.application import AppServer
from tests.sellers import Seller
from tests.visitors import Visitor, new_visitor


def test_a_seller_never_sees_another_sellers_data(server: AppServer, seller: Seller, other_seller: Seller) -> None:
    """Two sellers use the desk at the same time. Numbers, lists and cache entries stay separate."""
    seller.creates(title="Alpha")
    other_seller.creates(title="Beta")
    other_seller.creates(title="Gamma")
    with new_visitor(server.url) as first, new_visitor(server.url) as second:
        first.signs_in(seller)
        second.signs_in(other_seller)
        for _ in range(3):
            first.opens("/deals")
            second.opens("/deals")
            assert (first.titles, first.numbers["all"]) == (["Alpha"], 1)
            assert (second.titles, second.numbers["all"]) == (["Gamma", "Beta"], 2)
            assert other_seller.key not in first.page


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}"])
def test_input_of_sellers_is_escaped(visitor: Visitor, text: str) -> None:
    """In the notice, the list, the form and the search field."""
    visitor.follows(visitor.submits("/desk/products/new", title=text, brand=text, supplier=text))
    assert f"“{text}” was added" in html.unescape(visitor.page)
    assert visitor.titles == [text]
    assert "<script>alert" not in visitor.page
    assert "<img src=x" not in visitor.page
    found = visitor.http.get("/deals", params={"search": text}).text
    assert "<script>alert" not in found
    assert "<img src=x" not in found


@pytest.mark.parametrize("path", ["/", "/desk/products/new", "/sign-in", "/deals?cursor=junk", "/favicon.ico"])
def test_every_page_forbids_foreign_content_and_framing(visitor: Visitor, path: str) -> None:
    """Error pages and static files included. Pages with data are not cached."""
    headers = visitor.opens(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert ("no-store" in headers["Cache-Control"]) is not (path == "/favicon.ico")


def test_the_desk_answers_errors_with_pages_and_the_api_with_documents(visitor: Visitor) -> None:
    """The same session gets HTML from the desk and a problem document from the API."""
    page = visitor.opens("/deals?cursor=junk&stage=new")
    assert (page.status_code, page.headers["Content-Type"]) == (422, "text/html; charset=utf-8")
    assert "This page link is no longer valid" in page.text
    assert 'href="/deals?stage=new">Go to the first page</a>' in page.text
    document = visitor.http.get("/products?cursor=junk")
    assert (document.status_code, document.headers["Content-Type"]) == (422, "application/problem+json")
