"""Requests that are refused before any field is validated: bad bodies, media types, methods and paths."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from local.application import AppServer
from tests.problems import pointers, problem
from tests.sellers import CACHE_STATUS, STATS, Seller

_MEBIBYTE = 1 << 20
_JSON = {"Content-Type": "application/json"}
_UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
_WITH_BODY = [
    ("POST", "/products"),
    ("PATCH", f"/products/{_UNKNOWN_ID}"),
    ("PATCH", f"/products/deal/{_UNKNOWN_ID}"),
    ("POST", "/products/bulk-action"),
]


@pytest.mark.parametrize(("method", "path"), _WITH_BODY)
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"title=x", b'{"title": "x"', b'{"title": "x"} {}', b"{'title': 'x'}", b'{"title": "\\ud800"}',
        b'{"title": "\xff"}', b'{"title": "x\x00"}', '{"title": "x"}'.encode("utf-16"), b"[" * 100_000,
        b'{"a":' * 100_000, b'{"title": undefined}',
    ],
    ids=lambda body: ascii(body[:20]),
)  # fmt: skip
def test_a_body_that_is_not_json_is_a_bad_request(
    seller_of_module: Seller, method: str, path: str, body: bytes
) -> None:
    """400 for a truncated body, another encoding, a lone surrogate or extreme nesting."""
    answer = seller_of_module.http.request(method, path, content=body, headers=_JSON)
    assert pointers(answer, 400) == [""]


@pytest.mark.parametrize(("method", "path"), _WITH_BODY)
@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"7"])
def test_a_json_body_that_is_not_an_object_is_refused(
    seller_of_module: Seller, method: str, path: str, body: bytes
) -> None:
    """The empty pointer refers to the whole document (RFC 6901)."""
    assert pointers(seller_of_module.http.request(method, path, content=body, headers=_JSON)) == [""]


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999", "-0.001"])
def test_invalid_amounts_of_money_are_refused(seller_of_module: Seller, constant: str) -> None:
    """Some JSON writers emit these constants without quotes."""
    body = f'{{"title": "x", "buy_cost": {constant}}}'
    answer = seller_of_module.http.post("/products", content=body, headers=_JSON)
    assert (pointers(answer), seller_of_module.lists()) == (["/buy_cost"], [])


@pytest.mark.parametrize(("method", "path"), _WITH_BODY)
@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_an_unsupported_media_type_is_refused(
    seller_of_module: Seller, method: str, path: str, media_type: str | None
) -> None:
    """415, and the answer names the accepted media type."""
    headers = {"Content-Type": media_type} if media_type else {}
    answer = seller_of_module.http.request(method, path, content=b'{"title": "x"}', headers=headers)
    assert "application/json" in problem(answer, 415)["detail"]
    assert answer.headers["Accept"] == "application/json"


@pytest.mark.parametrize(("method", "path"), _WITH_BODY)
@pytest.mark.parametrize("size", [_MEBIBYTE + 1, 8 * _MEBIBYTE])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_over_one_mebibyte_is_refused(
    seller_of_module: Seller, method: str, path: str, size: int, *, chunked: bool
) -> None:
    """413, with a declared length and with chunks. The connection is kept or closed, and never hangs."""
    body = b'{"title": "x", "notes": "' + b"x" * (size - 27) + b'"}'
    assert len(body) == size
    content = _chunks(body) if chunked else body
    problem(seller_of_module.http.request(method, path, content=content, headers=_JSON), 413)
    assert seller_of_module.lists() == []


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_of_exactly_one_mebibyte_is_read(seller_of_module: Seller, *, chunked: bool) -> None:
    """It is validated completely; nothing is cut off."""
    body = b'{"title": "x", "notes": "' + b"x" * (_MEBIBYTE - 27) + b'"}'
    content = _chunks(body) if chunked else body
    assert pointers(seller_of_module.http.post("/products", content=content, headers=_JSON)) == ["/notes"]


def _chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 50_000):
        yield body[start : start + 50_000]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/products", {"GET", "POST"}),
        (f"/products/{_UNKNOWN_ID}", {"GET", "PATCH"}),
        (f"/products/deal/{_UNKNOWN_ID}", {"GET", "PATCH", "DELETE"}),
        ("/products/bulk-action", {"POST"}),
        (STATS, {"GET"}),
        (CACHE_STATUS, {"GET"}),
        ("/diagnostics/redis", {"GET"}),
        ("/healthz", {"GET"}),
        ("/readyz", {"GET"}),
    ],
)
def test_an_unsupported_method_is_refused_with_an_allow_header(
    seller_of_module: Seller, path: str, allowed: set[str]
) -> None:
    """405 with Allow. OPTIONS returns the same methods."""
    known = allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - known:
        answer = seller_of_module.http.request(method, path, json={})
        problem(answer, 405)
        assert set(answer.headers["Allow"].split(", ")) == known
    options = seller_of_module.http.options(path)
    assert (options.status_code, set(options.headers["Allow"].split(", ")), options.content) == (200, known, b"")


@pytest.mark.parametrize("path", ["/products", STATS, CACHE_STATUS, "/healthz", "/readyz"])
def test_head_equals_get_without_the_body(seller_of_module: Seller, path: str) -> None:
    """HEAD has the same status and Content-Type."""
    get, head = seller_of_module.http.get(path), seller_of_module.http.head(path)
    assert (head.status_code, head.headers["Content-Type"], head.content) == (200, get.headers["Content-Type"], b"")


@pytest.mark.parametrize(
    "path", ["/nope", "/products/", "/products/not-an-id", "/products/deal/5", "/products/..%2f", "/products/%00"]
)
def test_an_unknown_path_is_a_problem_document(seller_of_module: Seller, path: str) -> None:
    """404 as a problem document, without HTML and without a traceback."""
    answer = seller_of_module.http.get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/products"), ("GET", STATS), ("GET", CACHE_STATUS), ("GET", "/diagnostics/redis"),
                         ("GET", f"/products/{_UNKNOWN_ID}"), ("DELETE", f"/products/deal/{_UNKNOWN_ID}"), *_WITH_BODY],
)  # fmt: skip
def test_requests_without_a_valid_token_are_refused(server: AppServer, method: str, path: str) -> None:
    """401 with a challenge, before the body is read."""
    for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": "Basic dTpw"}):
        answer = httpx.request(method, f"{server.url}{path}", headers=headers)
        problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="asin-desk"')


def test_a_token_in_the_query_string_is_refused(server: AppServer, seller: Seller) -> None:
    """Addresses are logged and shared, so they must not contain credentials."""
    for path, status in (("/products", 401), (STATS, 422)):
        problem(httpx.get(f"{server.url}{path}", params={"access_token": seller.token}), status)


def test_a_request_cut_off_in_its_body_changes_nothing(server: AppServer, seller: Seller) -> None:
    """A client that disconnects while sending changes nothing, and the server keeps serving."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = f"POST /products HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {seller.token}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n".encode())
        connection.sendall(b'{"title": "half of')
        connection.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 201" not in connection.recv(65536)
    assert seller.lists() == []
