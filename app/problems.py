"""One shape for every error: problem documents (RFC 9457), `application/problem+json`."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response, jsonify, request
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound

from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.telemetry import trace_id

logger = logging.getLogger(__name__)

MIMETYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
MOST_ERRORS = 100
"""Maximum number of errors in a document. It keeps the response from being many times larger than the request."""

_LONGEST_PART: Final = 100  # characters of one part of a pointer; the sender chooses names and their length


@dataclass(frozen=True, slots=True)
class FieldError:
    """An invalid part of the request: a JSON pointer (RFC 6901) or query parameter, and the reason."""

    pointer: str
    detail: str


class Problem(Exception):  # noqa: N818 - RFC 9457's own term
    """Error that is answered with a problem document."""

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        title: str | None = None,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **extra: object,
    ) -> None:
        """Describe the problem.

        Args:
            status: HTTP status code.
            detail: explanation of this error, for a person.
            title: kind of error; default: the phrase of the status code.
            errors: one entry per invalid field.
            headers: response headers, such as Retry-After.
            extra: further members of the document.

        """
        super().__init__(detail or title or HTTPStatus(status).phrase)
        self.status, self.detail, self.title = status, detail, title or HTTPStatus(status).phrase
        self.errors, self.headers, self.extra = tuple(errors), dict(headers or {}), extra

    def document(self) -> dict[str, Any]:
        """Return the document. It lists at most `MOST_ERRORS` errors; `errors_omitted` is the number of others."""
        document: dict[str, Any] = {"type": "about:blank", "title": self.title, "status": self.status}
        omitted = len(self.errors) - MOST_ERRORS
        if self.detail:
            few = f" Only the first {MOST_ERRORS} of {len(self.errors):,} errors are listed." if omitted > 0 else ""
            document["detail"] = self.detail + few
        document["instance"] = request.path
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


def init_app(app: Flask) -> None:
    """Answer every error of `app` with a problem document."""
    app.register_error_handler(Problem, Problem.response)
    app.register_error_handler(ValidationError, lambda error: _invalid(error).response())
    app.register_error_handler(DatabaseUnavailableError, lambda error: unavailable(error).response())
    app.register_error_handler(DatabaseRefusalError, lambda error: refused(error).response())
    app.register_error_handler(HTTPException, _http_error)


def _invalid(error: ValidationError) -> Problem:
    """Return 400 for a body that is not JSON, and 422 for one with invalid fields."""
    # A body that is not JSON is a single error. Count first: listing the errors is expensive when there are many.
    unreadable = error.error_count() == 1 and _found(error)[0]["type"] == "json_invalid"
    detail = "The body is not valid JSON" if unreadable else "The request has invalid fields"
    return Problem(400 if unreadable else 422, f"{detail}; nothing was changed.", errors=field_errors(error))


def field_errors(error: ValidationError) -> list[FieldError]:
    """Return the errors found by pydantic, each with a JSON pointer into the body."""
    return [
        FieldError("".join(f"/{_escaped(part)}" for part in found["loc"]), _worded(found["type"], found["msg"]))
        for found in _found(error)
    ]


def _found(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False, include_context=False)


def _escaped(part: int | str) -> str:
    name = str(part)
    if len(name) > _LONGEST_PART:
        name = f"{name[:_LONGEST_PART]}…"
    return name.replace("~", "~0").replace("/", "~1")


def _worded(kind: str, message: str) -> str:
    plain = {"extra_forbidden": "There is no such field", "missing": "This field is required"}
    return plain.get(kind) or message.removeprefix("Value error, ")


def unavailable(error: DatabaseUnavailableError) -> Problem:
    """Return 503 with Retry-After for an unavailable database, without the server's own message."""
    return Problem(503, str(error), headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def from_database(error: DatabaseUnavailableError | DatabaseRefusalError) -> Problem:
    """Return the problem for either kind of database error."""
    return unavailable(error) if isinstance(error, DatabaseUnavailableError) else refused(error)


def refused(error: DatabaseRefusalError) -> Problem:
    """Return the problem for a statement that the database refused."""
    if error.status >= 500:
        logger.error("the database refused with SQLSTATE %s", error.code)
        return Problem(503, "The database could not do this now.", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    # The clocks may differ: the database can find a token expired that we have just accepted.
    challenge = {"WWW-Authenticate": 'Bearer realm="asin-desk", error="invalid_token"'} if error.status == 401 else None
    return Problem(error.status, error.message, headers=challenge)


def from_http(error: HTTPException) -> Problem:
    """Return the problem for an HTTP error, such as a wrong method. Its headers (Allow, Retry-After) are kept."""
    if isinstance(error, InternalServerError) and error.original_exception is not None:
        return Problem(500, "Something went wrong on our side. Quote X-Request-ID when reporting this.")
    detail = "There is nothing at this address." if isinstance(error, NotFound) else error.description
    headers = {name: value for name, value in error.get_headers() if name not in {"Content-Type", "Content-Length"}}
    return Problem(error.code or 500, detail, headers=headers)


def _http_error(error: HTTPException) -> Response:
    if isinstance(error.response, Response):  # the exception carries a complete response
        return error.response
    return from_http(error).response()
