"""The parts of the document that describe responses."""

from collections.abc import Iterable, Mapping
from typing import Any

from werkzeug.routing import Rule

from app.openapi import examples
from app.openapi.components import (
    COMMON_HEADERS,
    LIMIT_HEADERS,
    PROBLEM,
    PROBLEM_HEADERS,
    ProblemDocument,
)
from app.openapi.operations import JSON, Answer, Operation
from app.openapi.requests import SAFE
from app.openapi.schemas import Schemas
from app.problems import Kind


def responses(rule: Rule, method: str, facts: Mapping[str, Any], schemas: Schemas) -> dict[str, Any]:
    """Return the response objects of a route by status code. `facts` are the declarations of its view."""
    operation: Operation = facts["operation"]
    limited = LIMIT_HEADERS if facts.get("limited") else ()
    found = {status: _answer(answer, limited, schemas) for status, answer in operation.answers.items()}
    for status in problem_statuses(rule, method, facts):
        found.setdefault(status, _problem(status, limited, schemas))
    for status, answer in found.items():
        for content in answer.get("content", {}).values():
            content.update(examples.of_answer(rule.endpoint.rpartition(".")[2], status))
    return {str(status): found[status] for status in sorted(found)}


def problem_statuses(rule: Rule, method: str, facts: Mapping[str, Any]) -> set[int]:
    """Return the status codes of the problems of a route: its own, and those that follow from its decorators."""
    operation: Operation = facts["operation"]
    caller = facts.get("caller")
    found = {*operation.problems, 422, 500}
    if not facts.get("any_accept"):
        found |= {406}
    if caller not in {None, "anyone"}:
        found |= {401, 503}
    if caller in {"operator", "scraper"} or (caller == "user" and method not in SAFE):
        found |= {403}
    if facts.get("limited"):
        found |= {429}
    if operation.body or operation.files:
        found |= {400, 413, 415}
    if operation.query:
        found |= {414}  # the server refuses it before the application sees the values
    if "Idempotency-Key" in operation.headers:
        found |= {400}
    if "If-Match" in operation.headers:
        found |= {412}
    if rule.arguments:
        found |= {404}
    return found


def _answer(answer: Answer, limited: Iterable[str], schemas: Schemas) -> dict[str, Any]:
    made: dict[str, Any] = {
        "description": answer.description,
        "headers": _headers([*COMMON_HEADERS, *limited, *answer.headers]),
    }
    if answer.media_type:
        made["content"] = {answer.media_type: _content(answer, schemas)}
    if answer.links:
        made["links"] = {
            name: {"operationId": link.operation_id, "parameters": dict(link.parameters)}
            for name, link in answer.links.items()
        }
    return made


def _content(answer: Answer, schemas: Schemas) -> dict[str, Any]:
    """Return the media type object. OpenAPI 3.1 cannot describe the items of a stream, so an extension does."""
    if answer.model is None:
        return {"schema": {"type": "string"}}
    reference = schemas.reference(answer.model)
    return {"schema": reference} if answer.media_type == JSON else {"schema": {"type": "string"}, "x-line": reference}


def _problem(status: int, limited: Iterable[str], schemas: Schemas) -> dict[str, Any]:
    return {
        "description": "\n".join(f"- `{kind.slug}`: {kind.meaning}" for kind in Kind if kind.status == status),
        "headers": _headers([*COMMON_HEADERS, *limited, *PROBLEM_HEADERS.get(status, ())]),
        "content": {PROBLEM: {"schema": schemas.reference(ProblemDocument)}},
    }


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
