"""What our application leaves out of each request is never missed: it does what Flask itself does."""

from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import pytest
from flask import Blueprint, Flask, Request, appcontext_tearing_down, request, request_tearing_down
from flask.ctx import RequestContext
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException
from werkzeug.test import EnvironBuilder

from app.application import Application

_LINE: Final = {"path": "/things/7?full=1", "base_url": "http://localhost/", "method": "GET"}


@pytest.fixture
def application() -> Application:
    """Return an application of ours with a route for /things/<number>, in a blueprint within another."""
    app, outer, inner = Application(__name__), Blueprint("outer", __name__), Blueprint("inner", __name__)
    inner.add_url_rule("/things/<int:number>", "thing", lambda **arguments: arguments, methods=["GET", "PUT"])
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.add_url_rule("/", "root", lambda: "")
    return app


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"method": "PUT"},
        {"method": "DELETE"},
        {"path": "/things/8?full=1"},
        {"path": "/things/7"},
        {"path": "/things/ü?full=1"},
        {"path": "/"},
        {"base_url": "http://localhost:8000/"},
        {"base_url": "https://localhost/"},
        {"base_url": "http://LOCALHOST:80/"},
        {"base_url": "https://xn--bcher-kva.example/mounted/there"},
        {"base_url": "http://localhost/gemäß"},
        {"headers": {"Host": "no host"}},
        {"environ_overrides": {"HTTP_HOST": None}},
        {"environ_overrides": {"HTTP_HOST": None, "SERVER_NAME": "elsewhere"}},
        {"environ_overrides": {"HTTP_HOST": None, "SERVER_NAME": "/run/socket", "SERVER_PORT": None}},
    ],
)
def test_a_request_leads_where_flask_leads_it(application: Application, change: dict[str, Any]) -> None:
    """However little differs from the request before it, and the second time as well as the first."""
    _seen(application.request_context(_environ({})))

    for _ in range(2):
        ours = application.request_context(_environ(change))
        flasks = RequestContext(application, _environ(change), request=Request(_environ(change)))
        flasks.url_adapter = Flask.create_url_adapter(application, flasks.request)

        assert _seen(ours) == _seen(flasks)


def _environ(change: dict[str, Any]) -> dict[str, Any]:
    environ = EnvironBuilder(**{**_LINE, **change}).get_environ()
    return {name: value for name, value in environ.items() if value is not None}


def _seen(context: RequestContext) -> tuple[object, ...]:
    """Return everything that the context found out about its request."""
    context.match_request()
    assert context.url_adapter is not None
    failure = context.request.routing_exception
    assert failure is None or isinstance(failure, HTTPException)
    return (
        vars(context.url_adapter),
        context.request.url_rule,
        context.request.view_args,
        (type(failure), failure and failure.get_response().headers.get("Allow")),
        context.request.blueprints,
    )


def test_what_a_request_does_to_its_arguments_is_no_other_requests(application: Application) -> None:
    """Flask lets preprocessors take arguments away."""

    @application.url_value_preprocessor
    def take(_endpoint: str | None, arguments: dict[str, Any] | None) -> None:
        assert arguments is not None
        arguments["number"] += 1

    assert [application.test_client().get("/things/7").json for _ in range(3)] == [{"number": 8}] * 3


@pytest.mark.parametrize(
    "register",
    [
        Flask.before_request,
        Flask.url_value_preprocessor,
        Flask.teardown_request,
        Flask.teardown_appcontext,
        lambda app, hook: request_tearing_down.connect(hook, app),
        lambda app, hook: appcontext_tearing_down.connect(hook, app),
    ],
)
def test_what_is_registered_runs(application: Application, register: Callable[[Flask, Any], object]) -> None:
    """Once for each request."""
    calls = list[object]()

    def hook(*_: object, **__: object) -> None:
        calls.append("called")

    register(application, hook)  # signals hold it weakly, so that it ends with this test

    for _ in range(2):
        application.test_client().get("/things/7")

    assert len(calls) == 2


def test_uploaded_files_are_closed(application: Application) -> None:
    """They may be files on disk."""
    uploaded = list[FileStorage]()

    @application.post("/files")
    def take() -> str:
        uploaded.append(request.files["one"])
        return ""

    application.test_client().post("/files", data={"one": (BytesIO(b"content"), "one.txt")})

    assert [file.stream.closed for file in uploaded] == [True]


def test_an_address_can_be_made_outside_a_request_once_a_server_is_named(application: Application) -> None:
    """As Flask does: for a mail, say."""
    application.config["SERVER_NAME"] = "desk.example.com"

    with application.app_context():
        assert application.url_for("root") == "http://desk.example.com/"
