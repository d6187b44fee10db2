"""Build the OpenAPI document from the routes of an application."""

import re
from collections.abc import Iterator
from typing import Any, Final

from flask import Flask
from werkzeug.routing import Rule

from app.declarations import declared
from app.openapi.components import headers, request_headers, security_schemes
from app.openapi.operations import Operation
from app.openapi.requests import parameters, request_body, security
from app.openapi.responses import responses
from app.openapi.schemas import Schemas

VERSION: Final = "1.0.0"
"""Version of the API. It is independent of the version of the program."""

_AUTOMATIC: Final = {"HEAD", "OPTIONS"}  # Flask adds these methods
_TAGS: Final = {
    "Products": "Products and deals: read, search and change them.",
    "Matching": "Candidates, decisions and matches: what gives each product its ASIN.",
    "Files": "Import and export of the whole list as a CSV file.",
    "Statistics": "The number of products by status, and the cache that holds it.",
    "Operations": "For those who run this installation.",
}
_DESCRIPTION: Final = (
    "The sourcing lists of Amazon sellers. Each user sees only their own products and deals: those of another user do "
    "not exist for them, and are answered with 404. Every error is a problem document (RFC 9457). A request that the "
    "server cannot read, for example one with headers over its limits, is answered with such a document too, with "
    "status 400, 408, 411, 413, 414, 417, 431, 501 or 503. Every answer has the usual security headers."
)


def describe(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of the routes of `app` that are marked with `operation`."""
    schemas = Schemas(operations(app))
    paths: dict[str, Any] = {}
    for rule, method, view in routes(app):
        paths.setdefault(path_of(rule), {})[method.lower()] = _operation(rule, method, view, schemas)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "ASIN Desk",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.components,
            "headers": headers(),
            "parameters": request_headers(),
            "securitySchemes": security_schemes(cookie=app.config["SESSION_COOKIE_NAME"]),
        },
    }


def routes(app: Flask) -> Iterator[tuple[Rule, str, Any]]:
    """Yield the routes with an operation: rule, method and view. HEAD and OPTIONS are left out."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if "operation" in declared(view):
            for method in sorted((rule.methods or set()) - _AUTOMATIC):
                yield rule, method, view


def operations(app: Flask) -> list[Operation]:
    """Return the operations of `app`."""
    return [declared(view)["operation"] for _, _, view in routes(app)]


def path_of(rule: Rule) -> str:
    """Return the path template of `rule`, for example `/products/{product_id}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)


def _operation(rule: Rule, method: str, view: Any, schemas: Schemas) -> dict[str, Any]:  # noqa: ANN401 - any view
    """Return the operation object of a route."""
    facts = declared(view)
    operation: Operation = facts["operation"]
    operation_id = rule.endpoint.rpartition(".")[2]
    body = request_body(operation_id, operation, schemas)
    described = {"description": operation.description} if operation.description else {}
    return {
        "operationId": operation_id,
        "tags": [operation.tag],
        "summary": operation.summary,
        **described,
        "security": security(facts.get("caller"), method),
        "parameters": parameters(rule, operation, schemas),
        **({"requestBody": body} if body else {}),
        "responses": responses(rule, method, facts, schemas),
    }
