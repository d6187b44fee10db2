"""Tests of memoized functions and their app: its settings, its context, and several apps with one cache object."""

from collections.abc import Callable

from flask import Flask
from flask_caching import cache_memoize_hit, cache_memoize_miss

from app.caching import Cache, Outcome
from app.caching.protocol import LeaseProtocol
from tests.caching.applications import application


def test_setting_source_check_is_the_default_of_memoize(protocol: LeaseProtocol) -> None:
    """The key contains a digest of the source with CACHE_SOURCE_CHECK."""
    app, cache = application(options={"protocol": protocol}, source_check=True)

    @cache.memoize()
    def checked() -> int:
        return 1

    with app.app_context():
        assert "checked@" in checked.make_cache_key()


def test_signals_are_sent_if_enabled(protocol: LeaseProtocol) -> None:
    """With CACHE_ENABLE_SIGNALS, the first call sends a miss and the second a hit."""
    app, cache = application(options={"protocol": protocol}, enable_signals=True)
    received: list[tuple[str, str]] = []

    def receiver(name: str) -> Callable[..., None]:
        return lambda _sender, **details: received.append((name, details["cache_key"]))

    hit, miss = receiver("hit"), receiver("miss")
    with cache_memoize_hit.connected_to(hit), cache_memoize_miss.connected_to(miss), app.app_context():

        @cache.memoize()
        def one() -> int:
            return 1

        one()
        one()
        key = one.make_cache_key()
    assert received == [("miss", f"test:{key}"), ("hit", f"test:{key}")]


def test_last_app_is_used_outside_of_an_app_context(protocol: LeaseProtocol) -> None:
    """As in Flask-Caching."""
    _, cache = application(options={"protocol": protocol})

    @cache.memoize()
    def one() -> int:
        return 1

    assert [one.lookup().outcome for _ in range(2)] == [Outcome.STORED, Outcome.HIT]


def test_two_apps_share_one_cache_object(protocol: LeaseProtocol) -> None:
    """Each app has its own backend."""
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
