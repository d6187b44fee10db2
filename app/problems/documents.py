"""The exception `Problem` and its document (RFC 9457)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from flask import Response, jsonify, request
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.problems.kinds import Kind
from app.telemetry import trace_id

MIMETYPE: Final = "application/problem+json"
MOST_ERRORS: Final = 100
"""Maximum number of errors in a document. It keeps the response from being many times larger than the request."""

_LONGEST_PART: Final = 100  # characters of one part of a pointer; the sender chooses names and their length
_PATH_CHARACTERS: Final = "/:@!$&'()*+,;=~"  # those that a path may contain as they are (RFC 3986 §3.3)


@dataclass(frozen=True, slots=True)
class FieldError:
    """An invalid part of the request: a JSON pointer (RFC 6901) or query parameter, and the reason."""

    pointer: str
    detail: str


class Problem(Exception):  # noqa: N818 - RFC 9457's own term
    """Error that is answered with a problem document."""

    def __init__(
        self,
        kind: Kind,
        detail: str | None = None,
        *,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **extra: object,
    ) -> None:
        """Describe the problem.

        Args:
            kind: the kind, which decides the status code.
            detail: explanation of this error, for a person; default: the meaning of the kind.
            errors: one entry per invalid field.
            headers: response headers, such as Retry-After.
            extra: further members of the document.

        """
        super().__init__(detail or kind.meaning)
        self.kind, self.status, self.detail = kind, kind.status, detail or kind.meaning
        self.errors, self.headers, self.extra = tuple(errors), dict(headers or {}), extra

    def document(self) -> dict[str, Any]:
        """Return the document. It lists at most `MOST_ERRORS` errors; `errors_omitted` is the number of others."""
        document: dict[str, Any] = {
            "type": self.kind.type,
            "kind": self.kind.slug,
            "title": self.kind.title,
            "status": self.status,
        }
        omitted = len(self.errors) - MOST_ERRORS
        few = f" Only the first {MOST_ERRORS} of {len(self.errors):,} errors are listed." if omitted > 0 else ""
        document["detail"] = self.detail + few
        document["instance"] = quote(request.path, safe=_PATH_CHARACTERS)
        if traced := trace_id():
            document["trace_id"] = traced
        if self.errors:
            listed = self.errors[:MOST_ERRORS]
            document["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in listed]
        if omitted > 0:
            document["errors_omitted"] = omitted
        return document | self.extra

    def response(self) -> Response:
        """Render the document."""
        response = jsonify(self.document())
        response.status_code, response.mimetype = self.status, MIMETYPE
        response.headers.update(self.headers)
        return response


def field_errors(error: ValidationError) -> list[FieldError]:
    """Return the errors found by pydantic, each with a JSON pointer into the body or the name of a parameter."""
    return [FieldError(pointer(*found["loc"]), _worded(found["type"], found["msg"])) for found in found_errors(error)]


def pointer(*parts: int | str) -> str:
    """Return the JSON pointer (RFC 6901) with these parts. Long parts are shortened."""
    return "".join(f"/{_escaped(part)}" for part in parts)


def found_errors(error: ValidationError) -> list[ErrorDetails]:
    """Return the errors found by pydantic, without the input, which may be large or secret."""
    return error.errors(include_url=False, include_input=False, include_context=False)


def _escaped(part: int | str) -> str:
    name = str(part)
    if len(name) > _LONGEST_PART:
        name = f"{name[:_LONGEST_PART]}…"
    return name.replace("~", "~0").replace("/", "~1")


def _worded(kind: str, message: str) -> str:
    plain = {"extra_forbidden": "There is no such field", "missing": "This field is required"}
    return plain.get(kind) or message.removeprefix("Value error, ")
