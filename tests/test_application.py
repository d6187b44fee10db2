"""The routing cache of our Flask subclass returns what Flask would return, and the app works without it."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any, Final

import pytest
from flask import Blueprint, Flask, Request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter
from werkzeug.test import EnvironBuilder

from app import factory
from app.application import Application
from config import Settings
from local.processes import wait_until
from tests.callers import Caller
from tests.sellers import STATS, running_app

_LINE: Final = {"path": "/things/7?full=1", "base_url": "http://localhost/", "method": "GET"}
_UPGRADE: Final = {"Connection": "Upgrade", "Upgrade": "websocket"}
_CHANGES: Final[list[dict[str, Any]]] = [
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
    {"environ_overrides": {"wsgi.url_scheme": "https"}},
    {"headers": {"Host": "no host"}},
    {"headers": _UPGRADE},
    {"environ_overrides": {"HTTP_HOST": None}},
    {"environ_overrides": {"HTTP_HOST": None, "SERVER_NAME": "elsewhere"}},
    {"environ_overrides": {"HTTP_HOST": None, "SERVER_PORT": "8000"}},
    {"environ_overrides": {"HTTP_HOST": None, "SERVER_NAME": "/run/socket", "SERVER_PORT": None}},
]
"""Small differences from `_LINE`, each of which may change the route."""


@pytest.fixture
def application() -> Application:
    """Return our Flask subclass with a route for /things/<number>."""
    app, things = Application(__name__), Blueprint("things", __name__)
    things.add_url_rule("/things/<int:number>", "thing", lambda **arguments: arguments, methods=["GET", "PUT"])
    app.register_blueprint(things)
    app.add_url_rule("/", "root", lambda: "")
    return app


def test_a_request_matches_the_same_route_as_in_flask(application: Application) -> None:
    """Independent of earlier requests: in this order, then in reverse."""
    for change in (*_CHANGES, *reversed(_CHANGES)):
        ours = application.create_url_adapter(Request(_environ(change)))
        theirs = Flask.create_url_adapter(application, Request(_environ(change)))

        assert _found(ours) == _found(theirs), change


def _environ(change: dict[str, Any]) -> dict[str, Any]:
    environ = EnvironBuilder(**{**_LINE, **change}).get_environ()
    return {name: value for name, value in environ.items() if value is not None}


def _found(adapter: MapAdapter | None) -> tuple[object, ...]:
    """Return all attributes of an adapter and its match."""
    assert adapter is not None
    known = (adapter.server_name, adapter.script_name, adapter.subdomain, adapter.url_scheme, adapter.path_info)
    try:
        found: object = adapter.match(return_rule=True)
    except HTTPException as error:
        found = (type(error), error.get_response().headers.get("Allow"))
    return (*known, adapter.default_method, adapter.query_args, adapter.websocket), found


def test_an_adapter_can_match_another_path(application: Application) -> None:
    """Flask does not do this, but extensions may."""
    adapter = application.create_url_adapter(Request(_environ({})))
    assert adapter is not None
    for _ in range(2):
        assert adapter.match(return_rule=True)[1] == {"number": 7}
        assert adapter.match("/things/8", "PUT") == ("things.thing", {"number": 8})
        assert adapter.match() == ("things.thing", {"number": 7})


def test_changed_view_arguments_do_not_leak_into_other_requests(application: Application) -> None:
    """In Flask, URL value preprocessors may change the arguments."""

    @application.url_value_preprocessor
    def take(_endpoint: str | None, arguments: dict[str, Any] | None) -> None:
        assert arguments is not None
        arguments["number"] += 1

    assert [application.test_client().get("/things/7").json for _ in range(3)] == [{"number": 8}] * 3


def test_the_routing_cache_is_bounded(application: Application) -> None:
    """Requests with many different paths evict entries; the cache does not grow."""
    adapters = weakref.WeakSet[MapAdapter]()
    for number in range(1000):
        adapter = application.create_url_adapter(Request(_environ({"path": f"/things/{number}"})))
        assert adapter is not None
        adapters.add(adapter)
    gc.collect()

    assert len(adapters) <= 128


def test_a_url_can_be_built_outside_of_a_request_with_server_name(application: Application) -> None:
    """As in Flask, for example for an e-mail."""
    application.config["SERVER_NAME"] = "desk.example.com"

    with application.app_context():
        assert application.url_for("root") == "http://desk.example.com/"


@pytest.fixture(params=[Application, Flask])
def whole_app(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """Return the whole application, built on each class in turn."""
    monkeypatch.setattr(factory, "Application", request.param)
    with running_app(settings) as app:
        assert type(app) is request.param
        yield app


def test_the_application_works_the_same_on_plain_flask(whole_app: Flask, alice: Caller) -> None:
    """Reads, hits, a change that is visible at once, errors, and a page."""
    client, identity = whole_app.test_client(), {"Authorization": alice.http.headers["Authorization"]}
    assert client.get(STATS, headers=identity).get_json()["all"] == 0
    # On a busy machine Redis may time out; then the database answers.
    assert wait_until(lambda: "; hit;" in client.get(STATS, headers=identity).headers["Cache-Status"], seconds=30)

    made = client.post("/products", json={"title": "Desk"}, headers=identity)
    assert made.status_code == 201
    assert client.get(STATS, headers=identity).get_json()["manual_entry"] == 1
    assert client.get(made.headers["Location"], headers=identity).get_json()["product"]["title"] == "Desk"

    assert client.get(STATS).status_code == 401
    assert "POST" in client.delete("/products", headers=identity).headers["Allow"]
    assert client.get("/sign-in").mimetype == "text/html"
