"""The parts of the document that describe requests."""

import inspect
from typing import Any, Final

from werkzeug.routing import Rule

from app.openapi import examples
from app.openapi.operations import JSON, Operation
from app.openapi.schemas import Schemas
from app.payloads import TEXT, text_parser
from app.uploads import FIELD

SAFE: Final = {"GET", "HEAD"}
"""Methods that change nothing; with a session cookie the others need a CSRF token."""


def security(caller: str | None, method: str) -> list[dict[str, list[str]]]:
    """Return the alternatives to authenticate. `caller` is what the decorators have declared; None: anybody."""
    session: dict[str, list[str]] = {"session": []} if method in SAFE else {"session": [], "csrf": []}
    known: list[dict[str, list[str]]] = [{"bearer": []}, session]
    if caller is None:
        return []
    first: dict[str, list[dict[str, list[str]]]] = {"anyone": [{}], "scraper": [{"metrics": []}]}
    return [*first.get(caller, []), *known]


def parameters(rule: Rule, operation: Operation, schemas: Schemas) -> list[dict[str, Any]]:
    """Return the parameters of the path, those of the query, and the headers."""
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _of_path(rule, name)}
        for name in sorted(rule.arguments)
    ]
    if operation.query is not None:
        schema = schemas.inline(operation.query)
        required = schema.get("required", [])
        for name, member in schema["properties"].items():
            found.append({"name": name, "in": "query", "required": name in required, "schema": _parameter(member)})
    return [*found, *({"$ref": f"#/components/parameters/{name}"} for name in operation.headers)]


def _of_path(rule: Rule, name: str) -> dict[str, Any]:
    return {"type": "string", "format": "uuid"} if f"<uuid:{name}>" in rule.rule else {"type": "string", "minLength": 1}


def _parameter(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a query parameter. It cannot be null; it is left out instead."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        kept = {name: value for name, value in schema.items() if name != "anyOf" and value is not None}
        return {**choices[0], **kept}
    return schema


def request_body(operation_id: str, operation: Operation, schemas: Schemas) -> dict[str, Any] | None:
    """Return the request body of an operation, None if it has none. The first media type gets the example."""
    content: dict[str, Any] = {}
    if operation.body is not None:
        content[JSON] = {"schema": schemas.reference(operation.body)}
        if from_text := text_parser(operation.body):
            content[TEXT] = {"schema": {"type": "string", "description": inspect.getdoc(from_text)}}
    if operation.files:
        file = {"schema": {"type": "string", "contentMediaType": "text/csv"}}
        form = {"type": "object", "properties": {FIELD: {"type": "string", "format": "binary"}}, "required": [FIELD]}
        content |= {media_type: dict(file) for media_type in operation.files}
        content["multipart/form-data"] = {"schema": form}
    if not content:
        return None
    next(iter(content.values())).update(examples.of_request(operation_id))
    return {"required": True, "content": content}
