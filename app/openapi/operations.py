"""The decorator that every route of the API has: it parses the request, and declares what the route answers."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from flask.typing import ResponseReturnValue
from pydantic import BaseModel

from app import payloads
from app.declarations import declare

View = Callable[..., ResponseReturnValue]

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Link:
    """A request that can follow an answer (OpenAPI 3.1, section 4.8.20).

    Attributes:
        operation_id: the operation to request.
        parameters: its parameters by name, each as a runtime expression such as `$response.body#/id`.

    """

    operation_id: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """One successful answer of a route.

    Attributes:
        description: when it is sent.
        model: model of the JSON, or of each line of a stream; None for other content.
        media_type: its media type; empty for an answer without content.
        headers: names of the headers it has in addition to those of all answers; see `app.openapi.components`.
        links: requests that can follow it, by name.

    """

    description: str
    model: type[BaseModel] | None = None
    media_type: str = JSON
    headers: Sequence[str] = ()
    links: Mapping[str, Link] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as it is declared.

    Attributes:
        tag: the group that it belongs to.
        summary: first sentence of the view's docstring.
        description: the other sentences.
        answers: successful answers by status code.
        problems: status codes of problems that are not derived from the other declarations.
        body: model of the JSON body.
        query: model of the query string.
        files: media types of the file that the request body can be.
        headers: names of the request headers that the view reads; see `app.openapi.components`.

    """

    tag: str
    summary: str
    description: str
    answers: Mapping[int, Answer]
    problems: frozenset[int]
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    files: Sequence[str]
    headers: Sequence[str]


def operation(  # noqa: PLR0913 - the members of an operation
    tag: str,
    *,
    answers: Mapping[int, Answer],
    problems: Sequence[int] = (),
    files: Sequence[str] = (),
    json: type[BaseModel] | None = None,
    headers: Sequence[str] = (),
    **facts: object,
) -> Callable[[View], View]:
    """Declare the operation of a view, and parse the request as the annotations of the view say.

    A parameter `body: Model` gets the parsed JSON body, and `query: Model` the parsed query string; both raise what
    `app.payloads` raises. A view with neither is returned unchanged, so it costs no call. `json` is the model of a body
    that the view parses itself, because it also takes files. `facts` are declarations that another decorator makes for
    other views, such as `caller="user"` for a view that calls `identify` itself.
    """

    def decorate(view: View) -> View:
        models = _models(view)
        summary, _, description = inspect.cleandoc(view.__doc__ or "").replace("\n", " ").partition(". ")
        made = Operation(
            tag=tag,
            summary=summary.strip().removesuffix("."),
            description=description.strip(),
            answers=answers,
            problems=frozenset(problems),
            body=models.get("body") or json,
            query=models.get("query"),
            files=files,
            headers=headers,
        )
        return declare(_parsing(view, models) if models else view, operation=made, **facts)

    return decorate


def _models(view: View) -> dict[str, type[BaseModel]]:
    """Return the models in the annotations of `body` and `query`."""
    parameters = inspect.signature(view).parameters
    return {name: parameters[name].annotation for name in ("query", "body") if name in parameters}


def _parsing(view: View, models: Mapping[str, type[BaseModel]]) -> View:
    """Wrap `view`: pass it the parsed parts of the request."""
    parsers = {"body": payloads.body, "query": payloads.query}

    @functools.wraps(view)
    def parsed(**arguments: object) -> ResponseReturnValue:
        return view(**arguments, **{name: parsers[name](model) for name, model in models.items()})

    return parsed
