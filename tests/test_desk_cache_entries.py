"""The operators' list of cache entries, and how they delete one or all of them."""

import logging
import re
from uuid import uuid4

import pytest
from flask import Flask
from pydantic import SecretStr
from redis import Redis

from app.limits import WRITES, limiter
from config import Settings
from local.processes import wait_until
from local.valkey import ValkeyServer
from tests.desk_pages import words
from tests.sellers import Seller, running_app
from tests.visitors import Visitor


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


@pytest.mark.parametrize("cache_type", ["SimpleCache", "RedisCache"])
def test_other_backends_delete_all_entries(settings: Settings, operator: Seller, cache_type: str) -> None:
    """Without a number, because they do not count what they delete."""
    changed: dict[str, object] = {"cache_type": cache_type}
    if cache_type != "RedisCache":
        changed["redis_url"] = None
    with running_app(settings.model_copy(update=changed)) as app:
        assert _flush(app, operator) == "All entries were deleted."
