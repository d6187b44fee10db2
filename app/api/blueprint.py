"""The blueprint of API routes. It checks each request before the view, and finishes each answer after it."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint, Response, make_response
from flask.typing import ResponseReturnValue, RouteCallable

from app.api.checks import JSON, check_request
from app.api.compression import accept_own_etags, compress


class ApiBlueprint(Blueprint):
    """Blueprint whose views get only requests that pass `check_request`.

    A route has three more options:

    - `answers`: media types of the answer; default: JSON. Empty: the Accept header is ignored.
    - `takes_query`: the view parses the query; by default a route has no parameters.
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
        answers, takes_query = options.pop("answers", (JSON,)), options.pop("takes_query", False)
        if options.pop("checked", True) and view_func is not None:
            view_func = _checked(view_func, answers, takes_query=takes_query)
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)


def _checked(view: RouteCallable, answers: Sequence[str], *, takes_query: bool) -> Callable[..., ResponseReturnValue]:
    @functools.wraps(view)
    def checked(**arguments: object) -> Response:
        check_request(answers, takes_query=takes_query)
        accept_own_etags()
        response = make_response(view(**arguments))
        if response.status_code == 204:
            del response.headers["Content-Type"]  # there is no content (RFC 9110 §8.3)
        response.vary.add("Accept")
        compress(response)
        return response

    return checked
