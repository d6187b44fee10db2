"""The numbers that an open page requests again: conditional, cheap, and without effect on the session."""

from typing import Final

import httpx
from flask import Flask
from redis import Redis

from app.auth import BACKGROUND
from local.application import AppServer
from local.stack import Stack
from tests.caching.engines import Spy
from tests.problems import problem
from tests.sellers import Seller
from tests.visitors import Visitor

NUMBERS: Final = "/desk/numbers"
_BY_ITSELF: Final = {BACKGROUND: "numbers"}


def test_an_open_page_gets_the_numbers_or_304(visitor: Visitor, seller: Seller) -> None:
    """The headers say how fresh they are, also on a 304."""
    first = visitor.http.get(NUMBERS, headers=_BY_ITSELF)
    assert first.json()["all"] == 0
    again = visitor.http.get(NUMBERS, headers=_BY_ITSELF | {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["X-Freshness"] == "Updated just now"
    assert again.headers["X-Source"].startswith("From Redis, ")
    seller.creates()
    changed = visitor.http.get(NUMBERS, headers=_BY_ITSELF | {"If-None-Match": first.headers["ETag"]})
    assert (changed.status_code, changed.json()["all"]) == (200, 1)


def test_a_304_costs_one_redis_command(app: Flask, stack: Stack, seller: Seller) -> None:
    """The session and the headers need none."""
    client, headers = app.test_client(), {"Authorization": f"Bearer {seller.token}", **_BY_ITSELF}
    spy = Spy(lambda: Redis.from_url(stack.redis.url))
    client.get(NUMBERS, headers=headers)  # the first contact of this process with Redis
    spy.redis.delete(seller.key)
    etag = client.get(NUMBERS, headers=headers).headers["ETag"]
    with spy.counting() as commands:
        answer = client.get(NUMBERS, headers=headers | {"If-None-Match": etag})
    assert answer.status_code == 304
    assert len(commands) == 1, commands


def test_an_ended_session_is_a_401_that_leaves_the_cookie(visitor: Visitor, server: AppServer) -> None:
    """The next page view of the user finds out and says so. A request in the background must not take that away."""
    assert visitor.http.post("/sign-out", data={"csrf_token": visitor.csrf_token}).status_code == 303
    problem(visitor.http.get(NUMBERS, headers=_BY_ITSELF), 401)
    answer = httpx.get(server.url + NUMBERS, headers=_BY_ITSELF)
    problem(answer, 401)
    assert "Set-Cookie" not in answer.headers
