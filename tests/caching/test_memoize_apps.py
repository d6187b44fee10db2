"""Memoized functions and the app they are used in: its settings, its context, and more than one app."""

from collections.abc import Callable

from flask import Flask
from flask_caching import cache_memoize_hit, cache_memoize_miss

from app.caching import Cache, Outcome
from app.caching.protocol import LeaseProtocol
from tests.caching.applications import application


def test_the_setting_source_check_is_the_default(protocol: LeaseProtocol) -> None:
    """CACHE_SOURCE_CHECK."""
    app, cache = application(options={"protocol": protocol}, source_check=True)

    @cache.memoize()
    def checked() -> int:
        return 1

    with app.app_context():
        assert "checked@" in checked.make_cache_key()


def test_signals_are_sent_when_they_are_enabled(protocol: LeaseProtocol) -> None:
    """CACHE_ENABLE_SIGNALS: a miss, then a hit."""
    app, cache = application(options={"protocol": protocol}, enable_signals=True)
    heard: list[tuple[str, str]] = []

    def hear(name: str) -> Callable[..., None]:
        return lambda _sender, **said: heard.append((name, said["cache_key"]))

    hit, miss = hear("hit"), hear("miss")
    with cache_memoize_hit.connected_to(hit), cache_memoize_miss.connected_to(miss), app.app_context():

        @cache.memoize()
        def one() -> int:
            return 1

        one()
        one()
        key = one.make_cache_key()
    assert heard == [("miss", f"test:{key}"), ("hit", f"test:{key}")]


def test_outside_of_a_context_the_last_app_is_used(protocol: LeaseProtocol) -> None:
    """As in Flask-Caching."""
    _, cache = application(options={"protocol": protocol})

    @cache.memoize()
    def one() -> int:
        return 1

    assert [one.lookup().outcome for _ in range(2)] == [Outcome.STORED, Outcome.HIT]


def test_two_apps_share_one_cache_object(protocol: LeaseProtocol) -> None:
    """Each with a backend of its own."""
    cache = Cache(with_jinja2_ext=False)
    apps = [Flask(name) for name in ("one", "two")]
    for app in apps:
        config = {"CACHE_TYPE": "app.caching.LeaseCache", "CACHE_KEY_PREFIX": f"{app.name}:"}
        cache.init_app(app, config={**config, "CACHE_OPTIONS": {"protocol": protocol}})

    @cache.memoize()
    def name() -> str:
        return cache.engine.key_prefix

    for app in apps:
        with app.app_context():
            assert name() == name() == f"{app.name}:"
