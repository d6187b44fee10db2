"""The check of answers against the OpenAPI document finds what is not documented."""

import json
from collections.abc import Callable
from typing import Any, Final

import httpx
import pytest

from local.application import AppServer
from tests.clients import client
from tests.openapi.contract import check_answer, check_lines, contract
from tests.sellers import STATS, Seller

_STATS: Final = {"all": 1, "asin_found": 1, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}


def _answer(status: int = 200, *, method: str = "GET", path: str = STATS, **changes: Any) -> httpx.Response:  # noqa: ANN401
    """Return an answer that is as documented, but for `changes`."""
    headers = {"X-Request-ID": "1", **changes.pop("headers", {})}
    request = httpx.Request(method, f"http://app{path}")
    return httpx.Response(status, request=request, headers=headers, **{"json": _STATS, **changes})


def test_a_documented_answer_passes() -> None:
    """So do answers of other servers, and addresses that are not part of the API."""
    check_answer(_answer())
    check_answer(_answer(path="/desk/unknown", json={"x": 1}))
    other = _answer(599)
    del other.headers["X-Request-ID"]
    check_answer(other)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: _answer(202), "undocumented status 202"),
        (lambda: _answer(headers={"X-Extra": "1"}), "undocumented header x-extra"),
        (lambda: _answer(json={**_STATS, "extra": 1}), "extra"),
        (lambda: _answer(json={"all": 1}), "required"),
        (lambda: _answer(json={**_STATS, "all": "1"}), "not of type"),
        (lambda: _answer(content=b"<p>", json=None, headers={"Content-Type": "text/html"}), "media type 'text/html'"),
        (lambda: _answer(304, json={}), "undocumented body"),
    ],
)
def test_what_is_not_documented_fails(make: Callable[[], httpx.Response], found: str) -> None:
    """A status code, a header, a member, a missing member, a type, a media type, a body."""
    with pytest.raises(AssertionError, match=found):
        check_answer(make())


def test_an_undocumented_line_of_a_stream_fails() -> None:
    """Each line is compared with the forms of a line."""
    good, bad = {"checked": 1}, {"checked": 1, "extra": 2}
    check_lines(_answer(method="POST", path="/products/import", json=None, text=json.dumps(good)))
    with pytest.raises(AssertionError, match="not valid"):
        check_lines(
            _answer(method="POST", path="/products/import", json=None, text=f"{json.dumps(good)}\n{json.dumps(bad)}")
        )


def test_the_clients_of_the_tests_check_every_answer(
    seller: Seller, server: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a document that lacks one status, the request of a seller fails."""
    document = contract().document["paths"]["/products"]["get"]["responses"]
    monkeypatch.delitem(document, "200")
    with pytest.raises(AssertionError, match="undocumented status 200"):
        seller.http.get("/products")
    with client(server.url) as anonymous:
        assert anonymous.get("/products").status_code == 401


def test_a_refusal_of_the_server_needs_no_operation(server: AppServer) -> None:
    """The worker refuses headers that are too large for every address, without the application."""
    with client(server.url) as http:
        assert http.get(STATS, headers={"X-Long": "x" * 20_000}).status_code == 431
