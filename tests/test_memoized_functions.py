"""Each change updates every memoized function of a user, and none stores one user's data under another user's key."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, jsonify
from flask.typing import ResponseReturnValue
from redis import Redis
from werkzeug.test import TestResponse

import app as application
from app.auth import login_required
from app.caching import Memoized
from app.products import context, schemas, stats
from app.products.stats import AFFECTED_BY_CHANGES
from config import Settings
from local import ROOT
from local.application import AppServer
from local.stack import Stack
from tests.sellers import Seller, new_seller, running_app


@pytest.fixture
def newest_deals(monkeypatch: pytest.MonkeyPatch) -> Memoized[[str], Any]:
    """Add the example of CONTRIBUTING.md to the memoized functions, as the page describes."""
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(@cache\.memoize.*?)```", page, re.DOTALL)
    names = vars(context) | vars(schemas) | vars(stats)
    exec(code, names)  # noqa: S102 - our own page
    function: Memoized[[str], Any] = names["newest_deals"]
    for module in ("app.products.stats", "app.products.flushing"):
        monkeypatch.setattr(f"{module}.AFFECTED_BY_CHANGES", (*AFFECTED_BY_CHANGES, function))
    return function


@pytest.fixture
def extended(settings: Settings, newest_deals: Memoized[[str], Any]) -> Iterator[Flask]:
    """Return the app with a view that calls the example for the user id in its path."""

    @login_required
    def newest(user_id: str) -> ResponseReturnValue:
        return jsonify(newest_deals(user_id))

    with running_app(settings) as running:
        running.add_url_rule("/newest/<user_id>", view_func=newest)
        yield running


def _newest(extended: Flask, of: str, caller: Seller) -> TestResponse:
    return extended.test_client().get(f"/newest/{of}", headers={"Authorization": f"Bearer {caller.token}"})


def test_every_memoized_function_is_updated_by_changes() -> None:
    """A function that is missing in the list would be stale after a change."""
    modules = [importlib.import_module(module.name) for module in pkgutil.walk_packages(application.__path__, "app.")]
    found = {value for module in modules for value in vars(module).values() if isinstance(value, Memoized)}
    missing = sorted(function.uncached.__qualname__ for function in found - set(AFFECTED_BY_CHANGES))
    assert not missing, f"add {missing} to AFFECTED_BY_CHANGES in app/products/stats.py"
    assert found


def test_data_of_one_user_is_never_stored_for_another(
    extended: Flask, seller: Seller, stack: Stack, server: AppServer
) -> None:
    """`own_repository` raises for any user but the caller, so nothing is stored."""
    with new_seller(stack.supabase, server.url) as other:
        other.creates(title="Secret")
        assert _newest(extended, seller.id, caller=other).status_code == 500
        assert _newest(extended, other.id, caller=other).get_json()[0]["product"]["title"] == "Secret"
    assert _newest(extended, seller.id, caller=seller).get_json() == []


def test_a_change_deletes_the_results_of_every_function(
    extended: Flask, newest_deals: Memoized[[str], Any], seller: Seller, redis: Redis
) -> None:
    """The planted result is used until the change, and never after it."""
    assert _newest(extended, seller.id, caller=seller).get_json() == []  # the first contact of this process with Redis
    with extended.app_context():
        redis.set(newest_deals.entry_name(seller.id), b'["planted"]', px=10_000)
    assert _newest(extended, seller.id, caller=seller).get_json() == ["planted"]
    made = extended.test_client().post(
        "/products", json={"title": "Lamp"}, headers={"Authorization": f"Bearer {seller.token}"}
    )
    assert made.status_code == 201
    assert [deal["id"] for deal in _newest(extended, seller.id, caller=seller).get_json()] == [made.get_json()["id"]]


def test_flush_deletes_the_results_of_every_function(
    extended: Flask, newest_deals: Memoized[[str], Any], seller: Seller, redis: Redis
) -> None:
    """The command prints the number of entries."""
    with extended.app_context():
        redis.mset({seller.key: "{}", newest_deals.entry_name(seller.id): "[]"})
    ran = extended.test_cli_runner().invoke(args=["cache", "flush", "--user", seller.id])
    assert ran.output == "2 entries dropped\n"
    assert redis.keys(f"*{seller.id}*") == []
