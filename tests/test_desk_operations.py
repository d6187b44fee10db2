"""The operators' pages: the figures of the cache, the entries, and how they are deleted."""

import logging
import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from flask import Flask
from pydantic import SecretStr
from redis import Redis

from app.limits import WRITES, limiter
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


@pytest.fixture
def watcher(server: AppServer, operator: Seller) -> Iterator[Visitor]:
    """Return an operator, signed in to the desk."""
    with new_visitor(server.url) as someone:
        someone.signs_in(operator)
        yield someone


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


def test_the_table_has_the_reads_of_the_last_minutes(watcher: Visitor, operator: Seller) -> None:
    """The workers measure by themselves, so the history is there before the page is opened."""

    def rates() -> list[float]:
        watcher.opens("/operations/figures")
        return [float(found) for found in re.findall(r'data-hits="([\d.]+)"', watcher.page)]

    operator.reads_stats()
    for _ in range(20):
        operator.reads_stats()
    assert wait_until(lambda: any(rates()), seconds=30)
    assert len(rates()) <= 60


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


def test_the_entries_are_listed_with_their_state(watcher: Visitor, seller: Seller, redis: Redis) -> None:
    """The entry of one seller is found by the user id. No value of an entry is shown."""
    redis.set(seller.key, '{"planted": 1}', px=9_000)
    page = watcher.opens(f"/operations/entries?user={seller.id.upper()}").text
    assert f"{seller.id} Stored" in words(page)
    assert "14 B" in words(page)
    assert "planted" not in page
    redis.set(seller.key, b"lease:x", px=9_000)
    assert "Being computed" in watcher.opens(f"/operations/entries?user={seller.id}").text
    answer = watcher.opens("/operations/entries?user=%3Cb%3E")
    assert answer.status_code == 422
    assert "This is not a user id" in words(answer.text)
    assert "No entries" not in words(watcher.opens("/operations/entries?cursor=x").text)


def test_all_entries_are_reached_page_by_page(watcher: Visitor, redis: Redis) -> None:
    """Also among keys of others, which are not listed. A cursor that no page has given is no mistake."""
    planted = {f"asin_stats:{uuid4()}" for _ in range(120)}
    foreign = [f"session:{number}" for number in range(300)]
    for key in [*planted, *foreign]:
        redis.set(key, "{}", px=60_000)
    seen, path, pages = set(), "/operations/entries", 0
    while path:
        page = watcher.opens(path).text
        seen |= {f"asin_stats:{found}" for found in re.findall(r"<code>([0-9a-f-]{36})</code>", page)}
        assert "session:" not in page
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path, pages = following[1] if following else "", pages + 1
    assert planted <= seen
    assert 2 <= pages <= 10
    redis.delete(*planted, *foreign)


def test_the_entry_of_one_seller_is_deleted(
    watcher: Visitor, seller: Seller, other_seller: Seller, redis: Redis
) -> None:
    """After a confirmation. The entry of another seller stays."""
    redis.set(seller.key, "{}", px=60_000)
    redis.set(other_seller.key, "{}", px=60_000)
    assert seller.id in watcher.opens(f"/operations/flush?user={seller.id}").text
    assert redis.exists(seller.key)
    watcher.follows(watcher.submits("/operations/flush", user=seller.id))
    assert "1 entry was deleted." in words(watcher.page)
    assert (redis.exists(seller.key), redis.exists(other_seller.key)) == (0, 1)


def test_a_change_in_progress_is_deleted_only_by_force(watcher: Visitor, seller: Seller, redis: Redis) -> None:
    """As with `flask cache flush`."""
    deadline = 1000 * redis.time()[0] + 20_000
    redis.set(seller.key, f"write:closed somebody@{deadline} 0 0 ", px=20_000)
    watcher.opens("/operations/flush")
    watcher.follows(watcher.submits("/operations/flush", user=seller.id))
    assert "a change is in progress" in words(watcher.page)
    assert redis.exists(seller.key)
    watcher.opens("/operations/flush")
    watcher.follows(watcher.submits("/operations/flush", user=seller.id, force="on"))
    assert not redis.exists(seller.key)


def test_all_entries_are_deleted_and_keys_of_others_stay(
    settings: Settings, valkey: ValkeyServer, operator: Seller, caplog: pytest.LogCaptureFixture
) -> None:
    """The audit log says who did it."""
    with (
        running_app(settings.model_copy(update={"redis_url": SecretStr(valkey.url)})) as app,
        Redis.from_url(valkey.url) as own,
    ):
        for key in ("asin_stats:a", "asin_stats:b", "session:x"):
            own.set(key, "{}")
        logging.getLogger().addHandler(caplog.handler)  # creating an app replaces the handlers
        answer = _flush(app, operator)
        assert own.keys() == [b"session:x"]
    assert answer == "2 entries were deleted."
    assert f"cache.flush ok address=127.0.0.1 user={operator.id} of=everybody" in caplog.text


def _flush(app: Flask, operator: Seller, **fields: str) -> str:
    """Delete entries with the token of `operator`, and return the notice of the next page."""
    client = app.test_client()
    headers = {"Authorization": f"Bearer {operator.token}"}
    answer = client.post("/operations/flush", data=fields, headers=headers)
    assert answer.status_code == 303, answer.text
    found = re.search(
        r'<div class="notice \w+">.*?<p>(.*?)</p>', client.get(answer.location, headers=headers).text, re.DOTALL
    )
    assert found
    return found[1]


def test_a_form_without_its_token_deletes_nothing(watcher: Visitor, seller: Seller, redis: Redis) -> None:
    """Nor one with a text that is no user id."""
    redis.set(seller.key, "{}", px=60_000)
    assert watcher.http.post("/operations/flush", data={"user": seller.id}).status_code == 403
    watcher.opens("/operations/flush")
    watcher.follows(watcher.submits("/operations/flush", user="everybody"))
    assert "Nothing was deleted" in words(watcher.page)
    assert redis.exists(seller.key)


def test_deletions_are_limited_like_changes(limited_app: Flask, operator: Seller, redis: Redis) -> None:
    """Beyond the limit nothing is deleted."""
    client, headers = limited_app.test_client(), {"Authorization": f"Bearer {operator.token}"}

    def is_refused() -> bool:
        with limited_app.app_context():
            while limiter().take(WRITES, f"user:{operator.id}", units=50).allowed:
                pass
            while limiter().take(WRITES, f"user:{operator.id}").allowed:
                pass
        redis.set(operator.key, "{}", px=60_000)
        return client.post("/operations/flush", data={"user": operator.id}, headers=headers).status_code == 429

    assert wait_until(is_refused, seconds=15)
    assert redis.exists(operator.key)


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
        if cache_type != "NullCache":
            assert _flush(app, operator) == "All entries were deleted."


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
