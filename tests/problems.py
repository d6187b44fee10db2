"""Checks that every error is a problem document (RFC 9457)."""

from typing import Any
from urllib.parse import unquote

import httpx

from app.problems import Kind


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Check the status and the members that every problem document has, and return the document."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"]
    document: dict[str, Any] = answer.json()
    kind = next(kind for kind in Kind if kind.slug == document["kind"])
    assert (document["type"], document["title"]) == (kind.type, kind.title)
    assert kind.status == status
    assert document["status"] == status
    assert document["detail"]
    assert unquote(document["instance"]) == "/" + answer.request.url.path.lstrip("/")
    return document


def kind_of(answer: httpx.Response) -> str:
    """Return the kind of an error, after checking its document."""
    return str(problem(answer, answer.status_code)["kind"])


def pointers(answer: httpx.Response, status: int = 422) -> list[str]:
    """Return the JSON pointers of an error, after checking that each has a detail."""
    errors = problem(answer, status)["errors"]
    assert all(set(error) == {"pointer", "detail"} and error["detail"] for error in errors)
    return [error["pointer"] for error in errors]
