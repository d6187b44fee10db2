"""Ended desk sessions: after 1 s a copied cookie can neither read nor write, on any worker."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
from flask import Flask

from local.application import AppServer
from local.processes import wait_until
from local.stack import Stack
from local.supabase import SupabaseServer
from local.valkey import ValkeyServer
from tests.clients import PASSWORD, client
from tests.outage import at_once
from tests.proxy import Fault, SupabaseProxy, http_answer
from tests.sellers import STATS, Seller, all_workers_serve, app_environment
from tests.visitors import Visitor, new_visitor

OUTAGE: Final = Fault(answer=lambda _answer: http_answer("503 Service Unavailable", b"{}"), arrives=False)


@pytest.fixture
def copy(visitor: Visitor) -> Iterator[Visitor]:
    """Return a visitor with a copy of the cookie of `visitor`."""
    with copied(visitor) as someone:
        yield someone


@contextmanager
def copied(visitor: Visitor) -> Iterator[Visitor]:
    """Yield a visitor with a copy of the cookie. Each request uses a new connection, so all workers get some."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with client(str(visitor.http.base_url), cookies=visitor.http.cookies, limits=limits) as http:
        someone = Visitor(http)
        assert {answer.status_code for answer in at_once(lambda: http.get("/"))} == {200}
        assert someone.opens("/").status_code == 200
        yield someone


def attempts(copy: Visitor) -> Iterator[httpx.Response]:
    """Send reads and writes to pages and API routes, and yield the answers."""
    yield copy.http.get("/")
    yield copy.http.get(STATS)
    yield copy.http.get("/products")
    yield copy.http.post("/desk/products/new", data={"csrf_token": copy.csrf_token, "title": "Planted"})
    yield copy.http.post("/products", json={"title": "Planted"}, headers={"X-CSRFToken": copy.csrf_token})


def assert_ends_within_a_second(copy: Visitor, seller: Seller) -> None:
    """Assert that no request is accepted after 1 s. Until then, the session is in constant use."""
    ended_at = time.monotonic()
    while time.monotonic() < ended_at + 1:
        copy.http.get(STATS)
    known_before = seller.lists()
    for _ in range(4):
        page, *documents, form, document = attempts(copy)
        for answer in (page, form):
            assert (answer.status_code, answer.headers.get("Location", "")[:8]) == (303, "/sign-in")
        assert [answer.status_code for answer in (*documents, document)] == [401] * 3
    assert seller.lists() == known_before


def other_session(supabase: SupabaseServer, seller: Seller) -> dict[str, str]:
    """Sign in the seller through Supabase's own API; return the headers of that session."""
    headers = {"apikey": supabase.publishable_key}
    with client(supabase.url, headers=headers) as http:
        known = {"email": seller.email, "password": PASSWORD}
        answer = http.post("/auth/v1/token?grant_type=password", json=known)
    return headers | {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_signing_out_ends_every_copy_of_the_session(visitor: Visitor, copy: Visitor, seller: Seller) -> None:
    """It applies to the worker that handled the sign-out and to the others."""
    visitor.follows(visitor.submits("/sign-out"))
    assert_ends_within_a_second(copy, seller)


def test_signing_out_elsewhere_ends_the_desk_session(copy: Visitor, seller: Seller, stack: Stack) -> None:
    """The sign-out is sent to Supabase directly, without the desk."""
    headers = other_session(stack.supabase, seller)
    with client(stack.supabase.url, headers=headers) as http:
        assert http.post("/auth/v1/logout", params={"scope": "global"}).status_code == 204
    assert_ends_within_a_second(copy, seller)


def test_changing_the_password_ends_the_other_sessions(copy: Visitor, seller: Seller, stack: Stack) -> None:
    """The change is sent to Supabase directly. The session that made the change stays open."""
    headers = other_session(stack.supabase, seller)
    with client(stack.supabase.url, headers=headers) as http:
        assert http.put("/auth/v1/user", json={"password": "another-horse-battery"}).status_code == 200
        assert_ends_within_a_second(copy, seller)
        assert http.post("/rest/v1/rpc/session_is_open").json() is True


def test_a_session_stays_open_when_another_one_ends(visitor: Visitor, seller: Seller, server: AppServer) -> None:
    """The same seller stays signed in in another browser."""
    with new_visitor(server.url) as elsewhere:
        elsewhere.signs_in(seller)
        visitor.follows(visitor.submits("/sign-out"))
        ended_at = time.monotonic()
        while time.monotonic() < ended_at + 1.5:
            assert elsewhere.opens("/").status_code == 200


def test_signing_out_with_an_expired_access_token_ends_the_session(
    visitor: Visitor, seller: Seller, app: Flask
) -> None:
    """The access token has expired by then. The refresh token in a copy would be valid for weeks."""
    kept = visitor.session(app)
    visitor.takes_session(app, **kept | {"expires_at": int(time.time()) - 3600})
    with copied(visitor) as copy:
        visitor.follows(visitor.submits("/sign-out"))
        assert_ends_within_a_second(copy, seller)
        copy.takes_session(app, **kept | {"expires_at": 0, "access_token": "x.y.z"})
        assert copy.opens("/").is_redirect


@pytest.fixture(scope="module")
def desk(proxy: SupabaseProxy, module_valkey: ValkeyServer, stack: Stack, log: Path) -> Iterator[AppServer]:
    """Run the app behind `proxy`, with two workers."""
    environment = app_environment(stack, SUPABASE_URL=proxy.url, REDIS_URL=module_valkey.url)
    with AppServer(environment, workers=2, log=log) as app:
        assert all_workers_serve(log, workers=2)
        yield app


@pytest.fixture
def proxied_visitor(desk: AppServer, proxy: SupabaseProxy, seller: Seller) -> Iterator[Visitor]:
    """Return `seller`, signed in at `desk`."""
    proxy.fault = None
    with new_visitor(desk.url) as someone:
        someone.signs_in(seller)
        yield someone


def test_signing_out_during_an_outage_can_be_completed_later(
    proxied_visitor: Visitor, proxy: SupabaseProxy, seller: Seller
) -> None:
    """The browser is signed out at once. The page says that the session is still open, and its button ends it."""
    with copied(proxied_visitor) as copy:
        proxy.fault = OUTAGE
        answer = proxied_visitor.submits("/sign-out")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "This browser is signed out, but your session is still open" in answer.text
        assert seller.email not in answer.text
        assert proxied_visitor.http.get(STATS).status_code == 401
        assert proxied_visitor.http.get("/").is_redirect
        assert wait_until(lambda: copy.http.get(STATS).status_code == 503, seconds=10)
        assert proxied_visitor.submits("/sign-out").status_code == 503
        proxy.fault = None
        # A failure to compute the numbers is shared with later readers for the wait time.
        assert wait_until(lambda: copy.http.get(STATS).status_code == 200, seconds=10), "the session is still open"
        proxied_visitor.follows(proxied_visitor.submits("/sign-out"))
        assert "You are signed out." in proxied_visitor.page
        assert_ends_within_a_second(copy, seller)


def test_signing_in_completes_a_pending_sign_out(
    proxied_visitor: Visitor, proxy: SupabaseProxy, seller: Seller
) -> None:
    """The user does not have to press the button of the page that reported the outage."""
    with copied(proxied_visitor) as copy:
        proxy.fault = OUTAGE
        assert proxied_visitor.submits("/sign-out").status_code == 503
        proxy.fault = None
        proxied_visitor.signs_in(seller)
        assert_ends_within_a_second(copy, seller)
    assert proxied_visitor.opens("/").status_code == 200


def test_without_redis_a_session_ends_equally_fast(
    proxied_visitor: Visitor, module_valkey: ValkeyServer, seller: Seller
) -> None:
    """Redis is killed. Sessions do not depend on it."""
    module_valkey.kill()
    try:
        with copied(proxied_visitor) as copy:
            proxied_visitor.follows(proxied_visitor.submits("/sign-out"))
            assert_ends_within_a_second(copy, seller)
    finally:
        module_valkey.start()
