"""The operators' pages: who may see them, the figures of the cache, and the Redis server."""

import logging
import re
import time
from datetime import datetime
from itertools import pairwise

import pytest
from flask import Flask

from app.metrics.history import EVERY_SECONDS, History, Measurement
from config import Settings
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.desk_pages import words
from tests.proxy import SupabaseProxy
from tests.sellers import Seller, all_workers_serve, app_environment, make_operator, new_seller, running_app
from tests.visitors import Visitor, new_visitor

_PAGES = ("/operations", "/operations/figures", "/operations/entries", "/operations/flush", "/operations/redis")


def test_only_operators_see_the_pages(visitor: Visitor, watcher: Visitor, server: AppServer) -> None:
    """Sellers get a page that says so, and no link. Visitors are sent to the sign-in page."""
    for path in _PAGES:
        refused = visitor.opens(path)
        assert refused.status_code == 403, path
        assert "For operators only" in words(refused.text)
        assert watcher.opens(path).status_code == 200, path
        with new_visitor(server.url) as nobody:
            assert nobody.http.get(path).headers["Location"].startswith("/sign-in?next=")
    assert 'href="/operations"' in watcher.opens("/").text
    assert 'href="/operations"' not in visitor.opens("/").text
    assert visitor.submits("/operations/flush").status_code == 403


def test_the_figures_are_those_of_all_workers(watcher: Visitor, seller: Seller) -> None:
    """Nine hits and one miss more, whichever workers answered. The breaker is closed and nothing is owed."""
    before = _reads(watcher)
    for _ in range(10):
        seller.reads_stats()
    hits, misses = _reads(watcher)
    assert (hits - before[0], misses - before[1]) == (9, 1)
    text = words(watcher.page)
    for words_shown in ("Redis Connected valkey 9.", "Circuit breaker Closed", "Owed deletes 0", "Memory", "Hit rate"):
        assert words_shown in text


def _reads(watcher: Visitor) -> tuple[int, int]:
    text = words(watcher.opens("/operations/figures").text)
    found = re.search(r"([\d,]+) hits?, ([\d,]+) missed", text)
    assert found, text
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


def test_the_table_agrees_with_the_counters(watcher: Visitor, operator: Seller) -> None:
    """The workers measure by themselves, so the history is there before the page is opened."""
    operator.reads_stats()
    read_at = time.time()
    # Each worker has a row that ends after the reads of other tests.
    assert wait_until(lambda: all(_newest(watcher) > read_at for _ in range(8)), seconds=30)
    started, counted = time.time(), _reads(watcher)[0]
    for _ in range(40):
        operator.reads_stats()

    def hits() -> float:
        """Return the hits since `started`. A busy worker has longer intervals."""
        rates = _rates(watcher)
        return sum(rate * (at - before) for (before, _), (at, rate) in pairwise(rates) if at >= started)

    assert wait_until(lambda: hits() >= 30, seconds=30)
    assert hits() == pytest.approx(_reads(watcher)[0] - counted, rel=0.3)


def _newest(watcher: Visitor) -> float:
    """Return the time of the newest row; 0 if there is none."""
    return max((at for at, _ in _rates(watcher)), default=0.0)


def _rates(watcher: Visitor) -> list[tuple[float, float]]:
    """Return the time and the hits per second of each row of the table, oldest first."""
    watcher.opens("/operations/figures")
    rows = re.findall(r'datetime="([^"]+)".*?data-hits="([\d.]+)"', watcher.page, re.DOTALL)
    assert len(rows) <= 60
    return sorted((datetime.fromisoformat(at).timestamp(), float(rate)) for at, rate in rows)


def test_the_history_is_bounded_and_survives_a_clock_that_goes_back() -> None:
    """One measurement in five seconds, at most sixty intervals, and no negative rate."""
    history = History()
    assert history.is_due(1_000.0)
    for number in range(100):
        history.add(Measurement(1_000.0 + EVERY_SECONDS * number, 10 * number, number, 4 * number, 0.002 * number))
    assert not history.is_due(1_000.0 + EVERY_SECONDS * 99 + 1)
    intervals = history.intervals()
    assert len(intervals) == 60
    assert (intervals[-1].hits, intervals[-1].misses) == (2.0, 0.2)
    assert intervals[-1].latency_ms == pytest.approx(0.5)
    history.add(Measurement(500.0, 0, 0, 0, 0.0))
    history.add(Measurement(505.0, 0, 0, 0, 0.0))
    assert [(each.hits, each.latency_ms) for each in history.intervals()] == [(0.0, None)]


@pytest.mark.parametrize("cache_type", ["NullCache", "SimpleCache", "RedisCache"])
def test_the_pages_are_calm_with_every_backend(settings: Settings, operator: Seller, cache_type: str) -> None:
    """A backend without counters has no chart, and says so."""
    changed: dict[str, object] = {"cache_type": cache_type}
    if cache_type != "RedisCache":
        changed["redis_url"] = None
    with running_app(settings.model_copy(update=changed)) as app:
        client, headers = app.test_client(), {"Authorization": f"Bearer {operator.token}"}
        for path in _PAGES:
            assert client.get(path, headers=headers).status_code == 200, path
        text = words(client.get("/operations", headers=headers).text)
        assert "This cache counts nothing" in text
        assert ("Redis Connected" in text) is (cache_type == "RedisCache")


def test_without_redis_the_pages_say_so_quickly(
    stack: Stack, valkey: ValkeyServer, proxy: SupabaseProxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The figures of the breaker and of owed deletes are those of all workers. A flush fails with a message."""
    log = tmp_path_factory.mktemp("operations") / "gunicorn.log"
    environment = app_environment(stack, REDIS_URL=valkey.url, SUPABASE_URL=proxy.url)
    with AppServer(environment, workers=2, log=log) as own, new_seller(stack.supabase, own.url) as someone:
        assert all_workers_serve(log, workers=2)
        make_operator(stack.supabase, someone)
        with new_visitor(own.url) as watcher:
            watcher.signs_in(someone)
            valkey.kill()
            assert wait_until(lambda: "Open" in words(watcher.opens("/operations").text), seconds=30)
            assert "Redis Unavailable" in words(watcher.page)
            someone.creates()
            assert wait_until(lambda: "Owed deletes 0" not in words(watcher.opens("/operations").text), seconds=10)
            assert "Redis is unavailable" in words(watcher.opens("/operations/redis").text)
            assert "cannot be listed" in words(watcher.opens("/operations/entries").text)
            watcher.opens("/operations/flush")
            watcher.follows(watcher.submits("/operations/flush"))
            assert "Redis did not answer" in words(watcher.page)


def test_the_redis_page_has_units_and_no_address(watcher: Visitor, stack: Stack) -> None:
    """Only the fields of the list in `app.caching.reports`."""
    text = words(watcher.opens("/operations/redis").text)
    assert re.search(r"Running for uptime_in_seconds (\d+ \w+ )+", text)
    assert "Valkey version valkey_version 9." in text
    assert "127.0.0.1" not in text
    assert str(stack.redis.port) not in re.sub(r"\s[\d,]+", "", text)


def test_watching_is_not_an_event_of_the_audit_log(
    app: Flask, operator: Seller, seller: Seller, caplog: pytest.LogCaptureFixture
) -> None:
    """Opening the page is, and so is each refusal."""
    caplog.set_level(logging.INFO, "app.audit")
    client = app.test_client()
    for path, someone in (("figures", operator), ("redis", operator), ("figures", seller)):
        client.get(f"/operations/{path}", headers={"Authorization": f"Bearer {someone.token}"})
    found = [record.getMessage().split(" ")[:2] for record in caplog.records if "operator" in record.getMessage()]
    assert found == [["operator", "ok"], ["operator", "refused"]]
