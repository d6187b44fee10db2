"""Turn exceptions of other packages into problems: of pydantic, of the database and of Werkzeug."""

import logging
from typing import Final

from flask import Flask, Response, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound

from app.database import DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError
from app.problems.documents import Problem, field_errors, found_errors
from app.problems.kinds import Kind

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS: Final = 2

_SEND_AGAIN: Final = (
    "The database did not confirm the change; it may have happened. Send the same request with the same "
    "Idempotency-Key: the change is then made only once."
)


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
    if error.error_count() == 1 and found_errors(error)[0]["type"] == "json_invalid":
        return Problem(
            Kind.INVALID_JSON, "The body is not valid JSON; nothing was changed.", errors=field_errors(error)
        )
    detail = "The request has invalid fields; nothing was changed."
    return Problem(Kind.INVALID_FIELDS, detail, errors=field_errors(error))


def unavailable(error: DatabaseUnavailableError) -> Problem:
    """Return 503 with Retry-After for an unavailable database, without the server's own message."""
    kind, detail = Kind.UNAVAILABLE, str(error)
    if isinstance(error, OutcomeUnknownError):
        kind = Kind.OUTCOME_UNKNOWN
        if "Idempotency-Key" in request.headers:
            detail = _SEND_AGAIN
    return Problem(kind, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def from_database(error: DatabaseUnavailableError | DatabaseRefusalError) -> Problem:
    """Return the problem for either kind of database error."""
    return unavailable(error) if isinstance(error, DatabaseUnavailableError) else refused(error)


def refused(error: DatabaseRefusalError) -> Problem:
    """Return the problem for a statement that the database refused."""
    if error.status >= 500:
        logger.error("the database refused with SQLSTATE %s", error.code)
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return Problem(Kind.UNAVAILABLE, "The database could not do this now.", headers=headers)
    if error.status == 401:  # the clocks may differ: the database can find a token expired that we have just accepted
        challenge = {"WWW-Authenticate": 'Bearer realm="asin-desk", error="invalid_token"'}
        return Problem(Kind.INVALID_TOKEN, error.message, headers=challenge)
    kind = Kind.NOT_FOUND if error.status == 404 else Kind.of_status(error.status)
    return Problem(kind, error.message)


def from_http(error: HTTPException) -> Problem:
    """Return the problem for an HTTP error, such as a wrong method. Its headers (Allow, Retry-After) are kept."""
    if isinstance(error, InternalServerError) and error.original_exception is not None:
        return Problem(Kind.INTERNAL_ERROR, "Something went wrong on our side. Quote X-Request-ID when reporting this.")
    detail = "There is nothing at this address." if isinstance(error, NotFound) else error.description
    headers = {name: value for name, value in error.get_headers() if name not in {"Content-Type", "Content-Length"}}
    return Problem(Kind.of_status(error.code or 500), detail, headers=headers)


def _http_error(error: HTTPException) -> Response:
    if isinstance(error.response, Response):  # the exception carries a complete response
        return error.response
    return from_http(error).response()
