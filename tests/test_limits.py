"""Rate limits on changes and imports."""

import select
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx
import pytest
from flask import Flask
from redis import Redis

from app.limits import IMPORTS, WRITES, Policy, limiter
from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from tests.sellers import STATS, Seller, app_environment
from tests.serving.wire import wire

_SAFE: Final = {"GET", "HEAD", "OPTIONS"}
_NO_CHANGE: Final = {  # these have limits of their own
    "desk.open_session",
    "desk.sign_out",
    "desk.sign_up",
    "desk.send_reset",
    "desk.confirm",
}
_OF_OPERATORS: Final = {"desk.flush"}  # see tests/test_desk_cache_entries.py
_VALUES: Final[dict[str, object]] = {"action": "delete", "status": "needs_asin", "field": "moq"}
_FILES: Final = ("import_products", "import_candidates", "upload_file", "run_import", "upload_candidates")
_QUOTA_EXCEEDED: Final = "https://iana.org/assignments/http-problem-types#quota-exceeded"
_SECONDS: Final = 15


@pytest.fixture
def client(limited_app: Flask, seller: Seller) -> Iterator[httpx.Client]:
    """Return a client of `limited_app` with the token of `seller`."""
    transport = httpx.WSGITransport(limited_app)
    with httpx.Client(transport=transport, base_url="http://app", headers=seller.http.headers) as http:
        yield http


def _use_up(app: Flask, policy: Policy, seller: Seller) -> None:
    """Use up a user's quota."""
    with app.app_context():
        units = policy.quota
        while units := units if limiter().take(policy, f"user:{seller.id}", units=units).allowed else units // 2:
            pass


def _refused(app: Flask, policy: Policy, seller: Seller, request: Callable[[], httpx.Response]) -> httpx.Response:
    """Use up the quota and make a request until it is refused. On a slow machine the quota may refill in between."""
    answers: list[httpx.Response] = []

    def was_refused() -> bool:
        _use_up(app, policy, seller)
        answers.append(request())
        return answers[-1].status_code == 429

    assert wait_until(was_refused, seconds=_SECONDS), answers[-1].text
    return answers[-1]


def test_a_change_is_answered_with_the_remaining_quota(client: httpx.Client) -> None:
    """The quota is in the header fields of the IETF draft, also if the change was refused as invalid."""
    for title, status in (("One", 201), ("", 422)):
        answer = client.post("/products", json={"title": title})
        assert answer.status_code == status
        assert answer.headers["RateLimit-Policy"] == '"writes";q=600;w=60'
        assert answer.headers["RateLimit"] in {'"writes";r=599;t=1', '"writes";r=598;t=1'}


def test_a_change_over_the_limit_is_a_problem_document_with_retry_after(
    limited_app: Flask, client: httpx.Client, seller: Seller
) -> None:
    """Retry-After and RateLimit agree, and nothing was changed."""
    answer = _refused(limited_app, WRITES, seller, lambda: client.post("/products", json={"title": "One"}))
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["RateLimit"] == '"writes";r=0;t=1'
    document = answer.json()
    assert (document["type"], document["kind"], document["status"]) == (_QUOTA_EXCEEDED, "quota-exceeded", 429)
    assert document["instance"] == "/products"
    assert document["violated-policies"] == ["writes"]
    assert "try again in 1 s." in document["detail"]
    assert seller.lists() == []


def test_every_route_that_changes_data_is_limited(limited_app: Flask, client: httpx.Client, seller: Seller) -> None:
    """Reads the URL map, so a new route fails here until it is limited. Files have a separate limit."""
    adapter = limited_app.url_map.bind("app")
    for rule in limited_app.url_map.iter_rules():
        for method in (rule.methods or set()) - _SAFE:
            if rule.endpoint in _NO_CHANGE | _OF_OPERATORS:
                continue
            values = {name: _VALUES.get(name, UUID(seller.id)) for name in rule.arguments}
            policy = IMPORTS if rule.endpoint.endswith(_FILES) else WRITES
            path = adapter.build(rule.endpoint, values, method)
            answer = _refused(limited_app, policy, seller, partial(client.request, method, path))
            assert f'"{policy.name}";r=0' in answer.headers["RateLimit"], rule


def test_reads_are_not_limited_and_have_no_rate_limit_headers(
    limited_app: Flask, client: httpx.Client, seller: Seller
) -> None:
    """Even if the quota for changes is used up."""
    _use_up(limited_app, WRITES, seller)
    for path in (STATS, STATS, "/products", "/products/export", "/healthz"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert not [name for name in answer.headers if "ratelimit" in name]


def test_a_user_can_run_only_two_imports_at_a_time(stack: Stack, seller: Seller, tmp_path: Path) -> None:
    """The limit is per worker. Of three imports whose files are still arriving, one is refused.

    When the other two have ended, the next import is accepted.
    """
    with (
        AppServer(app_environment(stack, RATE_LIMITS="on"), workers=1, log=tmp_path / "log") as app,
        ExitStack() as opened,
    ):
        imports = [opened.enter_context(wire(app)) for _ in range(3)]
        for each in imports:
            each.send(_import_head(seller) + b"6\r\ntitle\n\r\n")
        answered, _, _ = select.select([each.socket for each in imports], [], [], _SECONDS)
        (refused,) = [each for each in imports if each.socket in answered]
        answer = refused.reply()
        assert (answer.status, answer.fields["Retry-After"]) == (429, "5")
        imports.remove(refused)
        for each in imports:
            each.send(b"2\r\nx\n\r\n0\r\n\r\n")
        assert [each.reply().status for each in imports] == [200, 200]
        with wire(app) as following:
            following.send(_import_head(seller) + b"8\r\ntitle\ny\n\r\n0\r\n\r\n")
            assert following.reply().status == 200


def _import_head(seller: Seller) -> bytes:
    """Return the head of an import. The file follows in chunks, so a thread of the app reads it while it arrives."""
    return (
        f"POST /products/import HTTP/1.1\r\nHost: app\r\nAuthorization: Bearer {seller.token}\r\n"
        "Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    ).encode()


def test_counters_contain_no_user_id_and_expire(client: httpx.Client, redis: Redis, seller: Seller) -> None:
    """A key consists of the policy and a keyed digest. Its TTL is at most the window."""
    client.post("/products", json={"title": "One"})
    keys = [key.decode() for key in redis.scan_iter(match="asin_limits:writes:*")]
    assert keys
    assert not list(redis.scan_iter(match=f"asin_limits:*{seller.id}*"))
    assert all(0 < redis.pttl(key) <= WRITES.window_ms or not redis.exists(key) for key in keys)
