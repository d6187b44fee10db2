"""CORS: pages of configured origins may call the API with a token, and nobody else; checked in a browser too."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest
from flask import Flask
from werkzeug.test import Client

from config import Settings
from local.application import AppServer
from local.stack import Stack
from tests.browser import chromium
from tests.sellers import STATS, Seller, all_workers_serve, app_environment, running_app

_SHOP: Final = "https://shop.example"
_OTHERS: Final = ("https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null", "")
_PREFLIGHT: Final = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture(scope="module")
def allowing(settings: Settings) -> Iterator[Client]:
    """Return a client of an app that allows two origins."""
    with running_app(settings.model_copy(update={"cors_origins": f"{_SHOP}, https://b.example"})) as app:
        yield app.test_client()


def _cors_headers(headers: object) -> set[str]:
    return {name for name in dict(headers) if name.startswith("Access-Control-")}  # type: ignore[call-overload]


@pytest.mark.parametrize("path", [STATS, "/products", "/nope", "/problems"])
@pytest.mark.parametrize("origin", [_SHOP, "https://b.example"])
def test_responses_to_a_configured_origin_may_be_read(allowing: Client, path: str, origin: str) -> None:
    """Errors too, and with the headers that a client needs. Cookies are not allowed."""
    answer = allowing.get(path, headers={"Origin": origin})
    if path == "/nope":
        assert _cors_headers(answer.headers) == set()
        return
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert exposed >= {"ETag", "Link", "Location", "Retry-After", "X-Request-ID", "WWW-Authenticate"}
    assert "Origin" in answer.headers["Vary"]
    assert len(answer.headers.getlist("Vary")) == 1
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_every_described_operation_is_allowed(allowing: Client) -> None:
    """Its path and its method. The metrics are not for pages."""
    described = allowing.get("/openapi.json").get_json()["paths"]
    assert described.pop("/metrics")
    for path, methods in described.items():
        answer = allowing.options(path, headers={"Origin": _SHOP, **_PREFLIGHT})
        allowed = answer.headers.get("Access-Control-Allow-Methods", "").split(", ")
        assert {method.upper() for method in methods} <= set(allowed), path


def test_a_preflight_request_of_a_configured_origin_is_allowed(allowing: Client) -> None:
    """It needs no token. It states the methods and the headers of the API, and has the security headers."""
    answer = allowing.options("/products/deal/x", headers={"Origin": _SHOP, **_PREFLIGHT})
    assert (answer.status_code, answer.data, answer.headers.get("Content-Type")) == (204, b"", None)
    assert answer.headers["Access-Control-Allow-Origin"] == _SHOP
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert {"Authorization", "If-Match"} <= set(answer.headers["Access-Control-Allow-Headers"].split(", "))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", _OTHERS)
def test_other_origins_get_no_cors_headers(allowing: Client, origin: str) -> None:
    """Neither for a request nor for a preflight request. Caches still learn that the response depends on the origin."""
    for answer in (
        allowing.get("/products", headers={"Origin": origin}),
        allowing.options("/products", headers={"Origin": origin, **_PREFLIGHT}),
    ):
        assert _cors_headers(answer.headers) == set()
        assert "Origin" in answer.headers["Vary"]


def test_the_desk_is_not_available_to_other_origins(allowing: Client) -> None:
    """Its pages contain a CSRF token."""
    for path in ("/", "/sign-in", "/desk/import", "/favicon.ico"):
        assert _cors_headers(allowing.get(path, headers={"Origin": _SHOP}, buffered=True).headers) == set()


def test_without_configured_origins_there_are_no_cors_headers(app: Flask) -> None:
    """The default."""
    client = app.test_client()
    for answer in (
        client.get("/products", headers={"Origin": _SHOP}),
        client.options("/products", headers={"Origin": _SHOP, **_PREFLIGHT}),
    ):
        assert _cors_headers(answer.headers) == set()
        assert "Origin" not in answer.headers.get("Vary", "")


class _EmptyPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name is part of the interface
        """Log nothing."""


@pytest.fixture
def origins() -> Iterator[list[str]]:
    """Run two web sites with an empty page, and return their origins."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _EmptyPage) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [f"http://127.0.0.1:{server.server_port}" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


_SCRIPT: Final = """
async ([url, token]) => {
    const headers = {Authorization: `Bearer ${token}`, "Content-Type": "application/json"};
    try {
        const made = await fetch(url + "/products", {method: "POST", headers, body: '{"title": "Lamp"}'});
        return `${made.status} ${made.headers.get("Location") !== null}`;
    } catch (error) { return "refused"; }
}
"""


def test_a_browser_obeys_the_configured_origins(
    stack: Stack, seller: Seller, origins: list[str], tmp_path: Path
) -> None:
    """A page of the configured origin creates a product. The browser refuses the same request of another page."""
    log = tmp_path / "gunicorn.log"
    with AppServer(app_environment(stack, CORS_ORIGINS=origins[0]), workers=1, log=log) as running:
        assert all_workers_serve(log, workers=1)
        with chromium() as browser:
            found = []
            for origin in origins:
                page = browser.new_page()
                page.goto(origin)
                found.append(page.evaluate(_SCRIPT, [running.url, seller.token]))
    assert found == ["201 true", "refused"]
    assert len(seller.lists()) == 1
