"""The desk during an outage of the database or Redis: a clear message, and no wrong numbers."""

import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from flask import Flask

from local.application import AppServer
from local.processes import wait_until
from local.server import LOOPBACK, free_port
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.proxy import Fault, SupabaseProxy
from tests.sellers import Seller, app_environment
from tests.visitors import Visitor, new_visitor


@pytest.fixture
def visitor(
    stack: Stack, valkey: ValkeyServer, proxy: SupabaseProxy, seller: Seller, tmp_path: Path
) -> Iterator[Visitor]:
    """Return `seller`, signed in to the desk of an app that uses `valkey` and waits 3 s for the database."""
    proxy.fault = None
    environment = app_environment(stack, REDIS_URL=valkey.url, SUPABASE_URL=proxy.url, SUPABASE_TIMEOUT="3")
    with AppServer(environment, workers=1, log=tmp_path / "app.log") as app, new_visitor(app.url) as someone:
        someone.signs_in(seller)
        yield someone


@pytest.fixture
def paused_database(stack: Stack, visitor: Visitor) -> Iterator[None]:
    """Pause the database for one test, after `visitor` has signed in."""
    assert visitor.page
    stack.supabase.pause()
    yield
    stack.supabase.resume()


def _shows_the_outage_page(visitor: Visitor) -> None:
    answer = visitor.opens("/?stage=new")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "The desk cannot reach its data right now" in answer.text
    assert visitor.numbers == {}


@pytest.mark.usefixtures("paused_database")
def test_a_paused_database_is_a_503_page_without_numbers(visitor: Visitor) -> None:
    """503 with Retry-After, even while Redis still has the numbers."""
    _shows_the_outage_page(visitor)


def test_a_change_without_an_answer_is_not_reported_as_done(visitor: Visitor, proxy: SupabaseProxy) -> None:
    """The page says that the change may have happened. Only the check of the session is answered."""
    proxy.fault = Fault(lambda answer: answer if answer.endswith(b"true") else b"")
    answer = visitor.submits("/desk/products/new", title="Perhaps")
    proxy.fault = None
    assert answer.status_code == 503
    assert "it may have happened" in answer.text
    assert "was added" not in answer.text


@pytest.mark.usefixtures("paused_database")
def test_signing_in_without_a_database_is_not_reported_as_a_wrong_password(visitor: Visitor, seller: Seller) -> None:
    """The message asks the visitor to try again later, not to check the password."""
    visitor.http.cookies.clear()
    visitor.opens("/sign-in")
    answer = visitor.submits("/sign-in", email=seller.email, password="whatever it is")
    assert answer.status_code == 503
    assert "Signing in is not possible right now." in answer.text


def test_a_database_that_is_down_is_a_503_page(stack: Stack, seller: Seller, app: Flask, tmp_path: Path) -> None:
    """The connection is refused. The same page is returned at once."""
    claims = {"sub": seller.id, "aud": "authenticated", "role": "authenticated", "exp": int(time.time()) + 600}
    claims["session_id"] = "00000000-0000-4000-8000-000000000000"
    token = jwt.encode(claims, stack.supabase.jwt_secret, "HS256")
    environment = app_environment(stack, SUPABASE_URL=f"http://{LOOPBACK}:{free_port()}")
    with AppServer(environment, workers=1, log=tmp_path / "app.log") as server, new_visitor(server.url) as visitor:
        visitor.takes_session(app, access_token=token, expires_at=int(time.time()) + 600, email=seller.email)
        _shows_the_outage_page(visitor)


def test_without_redis_the_desk_works_and_shows_the_outage(
    visitor: Visitor, valkey: ValkeyServer, seller: Seller
) -> None:
    """Numbers, changes and undo use the database. When Redis returns, it is used again automatically."""
    valkey.stop()
    visitor.opens("/")
    assert "Redis is unavailable" in visitor.page
    assert "fresh from the database: Redis is unavailable" in visitor.page
    visitor.follows(visitor.submits("/desk/products/new", title="Added without Redis"))
    assert visitor.numbers["manual_entry"] == 1
    assert "fresh from the database: Redis has not received the last change yet" in visitor.page
    deal_id = seller.lists()[0]["id"]
    visitor.follows(visitor.submits("/desk/deals", action="delete", deal_ids=deal_id, back="/"))
    assert visitor.numbers["manual_entry"] == 0
    valkey.start()
    assert wait_until(lambda: "from Redis" in visitor.opens("/").text, seconds=15)
    assert visitor.numbers["manual_entry"] == 0
    assert "Redis connected" in visitor.page


def test_without_a_redis_url_the_panel_shows_it(stack: Stack, seller: Seller, tmp_path: Path) -> None:
    """The desk works without a cache."""
    environment = app_environment(stack, REDIS_URL="")
    with AppServer(environment, workers=1, log=tmp_path / "app.log") as server, new_visitor(server.url) as visitor:
        assert visitor.signs_in(seller).status_code == 200
        assert "No Redis configured" in visitor.page
        assert "fresh from the database: no Redis is configured" in visitor.page
