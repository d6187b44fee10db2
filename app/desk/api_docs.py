"""The page `/docs`: the OpenAPI document for people. It is rendered on the server, so it needs no script."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import current_app, render_template
from flask.typing import ResponseReturnValue

from app.desk.blueprint import desk
from app.openapi import describe
from app.openapi.components import COMMON_HEADERS


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: a name, what type it has, and what it means."""

    name: str
    type: str
    text: str = ""


@desk.get("/docs")
def api_docs() -> ResponseReturnValue:
    """Describe all endpoints. The page needs no sign-in and loads nothing from other hosts."""
    document = describe(current_app)
    groups = [(tag, list(_operations(document, tag["name"]))) for tag in document["tags"]]
    schemas = {
        name: (schema, _members(schema)) for name, schema in document["components"]["schemas"].items()
    }  # fmt: skip
    return render_template(
        "api_docs.html", document=document, groups=groups, schemas=schemas, common=COMMON_HEADERS, type_of=type_of
    )


def _operations(document: dict[str, Any], tag: str) -> Iterator[dict[str, Any]]:
    """Yield the operation objects of a group, with their `path` and `method`."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if tag in operation["tags"]:
                parameters = [_resolved(document, parameter) for parameter in operation["parameters"]]
                yield {**operation, "path": path, "method": method.upper(), "parameters": parameters}


def _resolved(document: dict[str, Any], parameter: dict[str, Any]) -> dict[str, Any]:
    """Return the parameter, or the one in `components` that it refers to."""
    name = str(parameter.get("$ref", "")).rpartition("/")[2]
    found: dict[str, Any] = document["components"]["parameters"][name] if name else parameter
    return found


def _members(schema: dict[str, Any]) -> list[Line]:
    """Return the members of an object."""
    required = schema.get("required", [])
    return [
        Line(name, type_of(member), member.get("description", "") or ("required" if name in required else ""))
        for name, member in schema.get("properties", {}).items()
    ]


def type_of(schema: dict[str, Any]) -> str:
    """Return a schema in words, for example `list of Deal`, `text, at most 200 characters` or `text or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(type_of(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"]).lower()
    if schema.get("type") == "array":
        return f"list of {type_of(schema['items'])}"
    kind = {"string": "text", "integer": "whole number", "boolean": "true | false"}.get(schema["type"], schema["type"])
    return ", ".join([schema.get("format", kind), *_limits(schema)])


def _limits(schema: dict[str, Any]) -> Iterator[str]:
    words = {"minimum": "at least {}", "maximum": "at most {}", "maxLength": "at most {} characters"}
    for keyword, text in words.items():
        if keyword in schema:
            yield text.format(f"{schema[keyword]:,}")
