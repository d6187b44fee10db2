"""Compare the answers that the tests get with the OpenAPI document.

Every HTTP client of the tests checks each answer of the application: its status code, its headers and its JSON must be
documented. The check is stricter than the document: an object may have no other members than the documented ones. For
clients the document leaves that open, so that a later version can add a member.
"""

import functools
import json
from collections.abc import Iterable
from typing import Any, Final

import httpx
from flask import Flask
from jsonschema_rs import Draft202012Validator
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from app.diagnostics import views as diagnostics
from app.headers import HEADERS, TRANSPORT
from app.openapi import describe
from app.openapi.components import PROBLEM
from app.openapi.document import path_of
from app.openapi.operations import JSON
from app.products import matching_views
from app.products import views as products

_OF_HTTP: Final = {"Connection", "Content-Length", "Content-Type", "Date", "Server", "Transfer-Encoding"}
"""Headers of HTTP itself, which OpenAPI documents do not list."""
_EVERYWHERE: Final = {name.lower() for name in {*_OF_HTTP, *HEADERS, *TRANSPORT}}
_OF_TEST_SERVERS: Final = "x-test-"
"""Beginning of the headers that the servers of the freshness tests add."""
_CONDITIONS: Final = {"if", "then", "else"}
"""Keywords whose schemas describe only a part of the object."""
_LINES: Final = "application/x-ndjson"


class Contract:
    """The OpenAPI document of an application, with validators."""

    def __init__(self, document: dict[str, Any], urls: MapAdapter) -> None:
        """Compare with `document`; `urls` finds the route of an address."""
        self.document, self._urls = document, urls
        self._components = _closed(document["components"])
        self._validators: dict[str, Draft202012Validator] = {}

    def mistakes(self, method: str, path: str, answer: httpx.Response) -> list[str]:
        """Return what is not documented about `answer`. It is empty for addresses that are not part of the API."""
        operation = self._operation(method, path)
        if operation is None:
            return []
        documented = operation["responses"].get(str(answer.status_code))
        if documented is None:
            return [] if _is_refusal_of_the_server(answer) else [f"undocumented status {answer.status_code}"]
        allowed = {name.lower() for name in documented["headers"]} | _EVERYWHERE
        found = {name for name in answer.headers if not name.lower().startswith(_OF_TEST_SERVERS)}
        unknown = [f"undocumented header {name}" for name in sorted(found) if name.lower() not in allowed]
        return [*unknown, *self._content_mistakes(method, documented.get("content", {}), answer)]

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        """Return the operation object for a request, None if the document has none. HEAD is answered as GET."""
        try:
            rule, _ = self._urls.match(path, method, return_rule=True)
        except HTTPException:
            return None
        item: dict[str, Any] = self.document["paths"].get(path_of(rule), {})
        return item.get("get" if method == "HEAD" else method.lower())

    def _content_mistakes(self, method: str, content: dict[str, Any], answer: httpx.Response) -> Iterable[str]:
        """Return what is not documented about the body. Streams are not read here: the test may want to read them."""
        media_type = answer.headers.get("Content-Type", "").partition(";")[0]
        if method == "HEAD":
            return []
        if not content:
            return ["undocumented body"] if answer.read() else []
        if media_type not in content:
            return [f"undocumented media type {media_type!r}"]
        if media_type not in {JSON, PROBLEM}:
            return []
        answer.read()
        return self.json_mistakes(content[media_type]["schema"], json.loads(answer.text))

    def line_mistakes(self, method: str, path: str, lines: Iterable[object]) -> list[str]:
        """Return what is not documented about the lines of a stream."""
        operation = self._operation(method, path)
        assert operation is not None, path
        schema = operation["responses"]["200"]["content"][_LINES]["x-line"]
        return [mistake for line in lines for mistake in self.json_mistakes(schema, line)]

    def json_mistakes(self, schema: dict[str, Any], found: object) -> list[str]:
        """Return the differences between a JSON value and a schema of the document."""
        key = json.dumps(schema)
        if key not in self._validators:
            complete = {**schema, "components": self._components}
            self._validators[key] = Draft202012Validator(complete, validate_formats=True)
        return [f"{error.instance_path}: {error.message}" for error in self._validators[key].iter_errors(found)]


@functools.cache
def contract() -> Contract:
    """Return the contract of the application."""
    app = Flask(__name__)
    app.register_blueprint(products.products)
    app.register_blueprint(matching_views.matches)
    app.register_blueprint(diagnostics.diagnostics)
    return Contract(describe(app), app.url_map.bind("app"))


def check_answer(answer: httpx.Response) -> None:
    """Fail if something about an answer of the application is not documented. The hook of the tests' HTTP clients."""
    if "X-Request-ID" in answer.headers:  # other servers do not send it
        request = answer.request
        mistakes = contract().mistakes(request.method, request.url.path, answer)
        assert not mistakes, f"{request.method} {request.url.path} {answer.status_code}: {mistakes}"


def check_lines(answer: httpx.Response) -> None:
    """Fail if a line of a complete stream is not documented."""
    lines = [json.loads(line) for line in answer.text.splitlines()]
    mistakes = contract().line_mistakes(answer.request.method, answer.request.url.path, lines)
    assert not mistakes, mistakes


def _is_refusal_of_the_server(answer: httpx.Response) -> bool:
    """Return whether the gunicorn worker has refused the request, without the application and its headers."""
    refused = answer.headers.get("Content-Type") == PROBLEM
    return refused and "Cross-Origin-Resource-Policy" not in answer.headers


def _closed(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return `schema` with every object that lists its members closed: it may have no others."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: value if name in _CONDITIONS else _closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed
