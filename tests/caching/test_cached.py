"""Tests of `cached` and of template fragments: Flask-Caching's own code with our backend."""

import datetime as dt
from typing import Any

import pytest
from flask import Flask, Response, abort, redirect, render_template_string, request
from flask_caching import CachedResponse

from app.caching import Cache
from app.caching.protocol import LeaseProtocol
from tests.caching.applications import application
from tests.caching.engines import Spy

VIEWS: dict[str, Any] = {
    "text": lambda: "é",
    "document": lambda: {"a": [1]},
    "list": lambda: [1, 2],
    "tuple": lambda: ("made", 201, {"X-A": "b"}),
    "response": lambda: Response(b"\xff", 418, {"X-A": "b"}, content_type="image/x"),
    "redirect": lambda: redirect("/elsewhere"),
    "abort": lambda: abort(404, "no such thing"),
    "dynamic": lambda: CachedResponse(Response("text"), timeout=50),
    "generator": lambda: (letter for letter in "ab"),
    "fragment": lambda: render_template_string("{% cache 50, 'name' %}<b>{{ '<' }}</b>{% endcache %}{{ '<' }}"),
}


@pytest.fixture
def cached_app(protocol: LeaseProtocol) -> tuple[Flask, Cache]:
    """Return an app and its cache."""
    app, cache = application(options={"protocol": protocol}, default_timeout=10)
    return app, cache


@pytest.mark.parametrize("name", VIEWS)
def test_cached_view_returns_the_same_response_without_a_second_call(
    cached_app: tuple[Flask, Cache], name: str
) -> None:
    """The same status, headers and body, for every type that a view may return."""
    app, cache = cached_app
    calls: list[str] = []

    @cache.cached()
    def view() -> Any:  # noqa: ANN401 - any type that a view may return
        calls.append(name)
        return VIEWS[name]()

    app.add_url_rule("/", view_func=view)
    answers = [app.test_client().get("/") for _ in range(2)]

    first, second = ((answer.status, sorted(answer.headers), answer.data) for answer in answers)
    assert first == second
    assert calls == [name]


def test_uncacheable_response_is_logged_at_each_call(
    cached_app: tuple[Flask, Cache], caplog: pytest.LogCaptureFixture
) -> None:
    """In debug mode it raises instead."""
    app, cache = cached_app
    app.add_url_rule("/", view_func=cache.cached()(lambda: Response(iter(["a", "b"]))))

    assert [app.test_client().get("/").status_code for _ in range(2)] == [200, 200]
    assert caplog.text.count("TypeError: a streamed response cannot be cached") == 2
    app.debug = app.testing = True
    with pytest.raises(TypeError, match="streamed"):
        app.test_client().get("/")


def test_each_argument_of_cached_works(cached_app: tuple[Flask, Cache], spy: Spy) -> None:
    """Each has the effect that Flask-Caching documents."""
    app, cache = cached_app
    calls: list[str] = []
    conditions: dict[str, bool] = {"unless": False, "forced": False, "stale": False}

    @app.get("/")
    @cache.cached(
        timeout=dt.timedelta(seconds=50),
        key_prefix="of/%s",
        query_string=True,
        unless=lambda: conditions["unless"],
        forced_update=lambda: conditions["forced"],
        is_stale=lambda _: conditions["stale"],
        response_filter=lambda answer: answer != "3",
        source_check=True,
        response_hit_indication=True,
    )
    def view() -> str:
        calls.append(request.query_string.decode())
        return str(len(calls))

    def get(query: str = "") -> str:
        return app.test_client().get(f"/?{query}").text

    assert [get("a=1&b=2"), get("b=2&a=1"), get("a=2")] == ["1", "1", "2"]
    assert [get("filtered"), get("filtered"), get("filtered")] == ["3", "4", "4"]
    assert app.test_client().get("/?a=2").headers["hit_cache"] == "True"
    assert {spy.redis.ttl(key) for key in spy.redis.scan_iter("test:of/*")} <= {49, 50}
    for name in conditions:
        conditions[name] = True
        fresh = get("a=1&b=2")
        conditions[name] = False
        assert (fresh == str(len(calls)), get("a=1&b=2")) == (True, "1" if name == "unless" else fresh)
    assert cache.delete_cached(view, path="/", query_args="a=2")
    assert get("a=2") == str(len(calls))


@pytest.mark.parametrize(("cache_none", "calls"), [(False, 2), (True, 1)])
def test_cached_supports_cache_none_and_make_cache_key(
    cached_app: tuple[Flask, Cache],
    cache_none: bool,  # noqa: FBT001 - a parameter
    calls: int,
) -> None:
    """On a function that is not a view."""
    app, cache = cached_app
    numbers: list[int] = []

    @cache.cached(cache_none=cache_none, make_cache_key=lambda number: f"of {number}")
    def nothing(number: int) -> None:
        numbers.append(number)

    with app.test_request_context():
        nothing(1)
        nothing(1)
        assert cache.has("of 1")
    assert len(numbers) == calls
