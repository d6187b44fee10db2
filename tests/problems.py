"""What every error must look like: a problem document (RFC 9457)."""

from typing import Any

import httpx


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Return the document of an error, having checked the status and the form that all of them share."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"]
    document: dict[str, Any] = answer.json()
    assert document["type"] == "about:blank"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["instance"] == answer.request.url.path
    return document


def pointers(answer: httpx.Response, status: int = 422) -> list[str]:
    """Return what an error points at, having checked that each pointer comes with words."""
    errors = problem(answer, status)["errors"]
    assert all(set(error) == {"pointer", "detail"} and error["detail"] for error in errors)
    return [error["pointer"] for error in errors]
