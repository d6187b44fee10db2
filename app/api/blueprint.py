"""The blueprint of API routes. It checks each request before the view, and finishes each answer after it."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint, Response, make_response
from flask.typing import ResponseReturnValue, RouteCallable

from app.api.checks import JSON, NDJSON, check_request
from app.api.compression import accept_own_etags, compress
from app.declarations import declare, declared


class ApiBlueprint(Blueprint):
    """Blueprint whose views get only requests that pass `check_request`.

    The view's `operation` says whether it takes a query, and which media types its answers have. A route has two more
    options:

    - `any_accept`: True to ignore the Accept header, for programs that monitor the service.
    - `checked`: False for a view that checks the request itself, because the call would cost too much.
    """

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: RouteCallable | None = None,
        provide_automatic_options: bool | None = None,  # noqa: FBT001 - Flask's signature
        **options: Any,  # noqa: ANN401 - Flask's signature
    ) -> None:
        """Register a view; see `flask.Blueprint.add_url_rule` and the options of this class."""
        any_accept, is_checked = options.pop("any_accept", False), options.pop("checked", True)
        if view_func is not None:
            declare(view_func, any_accept=any_accept)
        if is_checked and view_func is not None:
            operation = declared(view_func)["operation"]
            available = () if any_accept else _media_types(operation)
            view_func = _checked(view_func, available, takes_query=operation.query is not None)
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)


def _media_types(operation: Any) -> list[str]:  # noqa: ANN401 - an `Operation` of app.openapi
    found = {answer.media_type for answer in operation.answers.values() if answer.media_type} or {JSON}
    if NDJSON in found:
        found.add(JSON)  # each line is a JSON document, so a client that accepts JSON can read the stream
    return sorted(found)


def _checked(view: RouteCallable, available: Sequence[str], *, takes_query: bool) -> Callable[..., ResponseReturnValue]:
    @functools.wraps(view)
    def checked(**arguments: object) -> Response:
        check_request(available, takes_query=takes_query)
        accept_own_etags()
        response = make_response(view(**arguments))
        if response.status_code == 204:
            del response.headers["Content-Type"]  # there is no content (RFC 9110 §8.3)
        if available:
            response.vary.add("Accept")
        compress(response)
        return response

    return checked
