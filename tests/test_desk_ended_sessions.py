"""Desk sessions that have ended: a copy of the cookie reads and writes nothing a second later, on any worker."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from tests.proxy import Fault, SupabaseProxy, http_answer
from tests.sellers import STATS, Seller, all_workers_serve, app_environment
from tests.visitors import Visitor, new_visitor

AWAY: Final = Fault(answer=lambda _answer: http_answer("503 Service Unavailable", b"{}"), arrives=False)


@pytest.fixture
def visitor(server: AppServer, seller: Seller) -> Iterator[Visitor]:
    """Return `seller` at the desk, signed in."""
    with new_visitor(server.url) as someone:
        someone.signs_in(seller)
        yield someone


@pytest.fixture
def copy(visitor: Visitor) -> Iterator[Visitor]:
    """Return somebody with a copy of the visitor's cookie."""
    with copied(visitor) as someone:
        yield someone


@contextmanager
def copied(visitor: Visitor) -> Iterator[Visitor]:
    """Let somebody use a copy of the visitor's cookie, on a new connection for each request, so on all workers."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with client(str(visitor.http.base_url), cookies=visitor.http.cookies, limits=limits) as http:
        someone = Visitor(http)
        for _ in range(8):
            assert someone.opens("/").status_code == 200
        yield someone


def attempts(copy: Visitor) -> Iterator[httpx.Response]:
    """Yield the answers to reads and writes, of pages and of documents."""
    yield copy.http.get("/")
    yield copy.http.get(STATS)
    yield copy.http.get("/products")
    yield copy.http.post("/desk/products/new", data={"csrf_token": copy.csrf_token, "title": "Planted"})
    yield copy.http.post("/products", json={"title": "Planted"}, headers={"X-CSRFToken": copy.csrf_token})


def dies_within_a_second(copy: Visitor, seller: Seller) -> None:
    """Assert that nothing sent from one second after now on is accepted, however much is sent until then."""
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
    """Sign the seller in elsewhere, by Supabase's own interface; return the headers of that session."""
    headers = {"apikey": supabase.publishable_key}
    with client(supabase.url, headers=headers) as http:
        known = {"email": seller.email, "password": PASSWORD}
        answer = http.post("/auth/v1/token?grant_type=password", json=known)
    return headers | {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_signing_out_ends_every_copy_of_the_session(visitor: Visitor, copy: Visitor, seller: Seller) -> None:
    """On the worker that saw it and on the others."""
    visitor.follows(visitor.submits("/sign-out"))
    dies_within_a_second(copy, seller)


def test_signing_out_elsewhere_ends_the_desk_session(copy: Visitor, seller: Seller, stack: Stack) -> None:
    """At Supabase itself, of which the desk hears nothing."""
    headers = other_session(stack.supabase, seller)
    with client(stack.supabase.url, headers=headers) as http:
        assert http.post("/auth/v1/logout", params={"scope": "global"}).status_code == 204
    dies_within_a_second(copy, seller)


def test_changing_the_password_ends_the_other_sessions(copy: Visitor, seller: Seller, stack: Stack) -> None:
    """Also at Supabase itself. The session that changed it goes on."""
    headers = other_session(stack.supabase, seller)
    with client(stack.supabase.url, headers=headers) as http:
        assert http.put("/auth/v1/user", json={"password": "another-horse-battery"}).status_code == 200
        dies_within_a_second(copy, seller)
        assert http.post("/rest/v1/rpc/session_is_open").json() is True


def test_a_session_goes_on_when_another_one_ends(visitor: Visitor, seller: Seller, server: AppServer) -> None:
    """The same seller in another browser is not disturbed."""
    with new_visitor(server.url) as elsewhere:
        elsewhere.signs_in(seller)
        visitor.follows(visitor.submits("/sign-out"))
        ended_at = time.monotonic()
        while time.monotonic() < ended_at + 1.5:
            assert elsewhere.opens("/").status_code == 200


def test_signing_out_after_lunch_ends_the_session_too(visitor: Visitor, seller: Seller, app: Flask) -> None:
    """The access token has run out by then; the refresh token of a copy would be good for weeks."""
    kept = visitor.session(app)
    visitor.takes_session(app, **kept | {"expires_at": int(time.time()) - 3600})
    with copied(visitor) as copy:
        visitor.follows(visitor.submits("/sign-out"))
        dies_within_a_second(copy, seller)
        copy.takes_session(app, **kept | {"expires_at": 0, "access_token": "x.y.z"})
        assert copy.opens("/").is_redirect


@pytest.fixture(scope="module")
def proxy(stack: Stack) -> Iterator[SupabaseProxy]:
    """Return what stands between an app of this module's own and Supabase, and can cut it off."""
    with SupabaseProxy(stack.supabase.url) as between:
        yield between


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Return the Valkey of that app, which may be killed."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture(scope="module")
def desk(
    proxy: SupabaseProxy, valkey: ValkeyServer, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppServer]:
    """Return that app, with two workers."""
    log = tmp_path_factory.mktemp("desk") / "app.log"
    with AppServer(app_environment(stack, SUPABASE_URL=proxy.url, REDIS_URL=valkey.url), workers=2, log=log) as app:
        assert all_workers_serve(log, workers=2)
        yield app


@pytest.fixture
def behind(desk: AppServer, proxy: SupabaseProxy, seller: Seller) -> Iterator[Visitor]:
    """Return `seller` at the desk of that app, signed in."""
    proxy.fault = None
    with new_visitor(desk.url) as someone:
        someone.signs_in(seller)
        yield someone


def test_signing_out_while_supabase_is_away_says_what_is_left_and_can_be_completed(
    behind: Visitor, proxy: SupabaseProxy, seller: Seller
) -> None:
    """The browser is signed out at once; the page says that a copy still works, and its button ends that."""
    with copied(behind) as copy:
        proxy.fault = AWAY
        answer = behind.submits("/sign-out")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "This browser is signed out, but the session has not ended" in answer.text
        assert seller.email not in answer.text
        assert behind.http.get(STATS).status_code == 401
        assert behind.http.get("/").is_redirect
        assert wait_until(lambda: copy.http.get(STATS).status_code == 503, seconds=2)
        assert behind.submits("/sign-out").status_code == 503
        proxy.fault = None
        assert copy.http.get(STATS).status_code == 200, "as the page says"
        behind.follows(behind.submits("/sign-out"))
        assert "You are signed out." in behind.page
        dies_within_a_second(copy, seller)


def test_signing_in_completes_a_sign_out(behind: Visitor, proxy: SupabaseProxy, seller: Seller) -> None:
    """Nobody has to press the button."""
    with copied(behind) as copy:
        proxy.fault = AWAY
        assert behind.submits("/sign-out").status_code == 503
        proxy.fault = None
        behind.signs_in(seller)
        dies_within_a_second(copy, seller)
    assert behind.opens("/").status_code == 200


def test_without_redis_a_session_ends_as_quickly(behind: Visitor, valkey: ValkeyServer, seller: Seller) -> None:
    """Redis is killed; who is signed in is not its business."""
    valkey.kill()
    with copied(behind) as copy:
        behind.follows(behind.submits("/sign-out"))
        dies_within_a_second(copy, seller)
