"""The desk when its database or its Redis is away: it says so, and never shows numbers it does not have."""

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
from tests.sellers import Seller, app_environment
from tests.visitors import Visitor, new_visitor


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Return a Valkey of the test's own, which it may stop."""
    with ValkeyServer(tmp_path) as running:
        yield running


@pytest.fixture
def visitor(stack: Stack, valkey: ValkeyServer, seller: Seller, tmp_path: Path) -> Iterator[Visitor]:
    """Return `seller`, signed in at the desk of an app that stands on `valkey` and waits 1 s for the database."""
    environment = app_environment(stack, REDIS_URL=valkey.url, SUPABASE_TIMEOUT="1")
    with AppServer(environment, workers=1, log=tmp_path / "app.log") as app, new_visitor(app.url) as someone:
        someone.signs_in(seller)
        yield someone


@pytest.fixture
def paused_database(stack: Stack, visitor: Visitor) -> Iterator[None]:
    """Freeze the database for one test, `visitor` being signed in already."""
    assert visitor.page
    stack.supabase.pause()
    yield
    stack.supabase.resume()


def _says_it_is_away(visitor: Visitor) -> None:
    answer = visitor.opens("/?stage=new")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "The desk cannot reach its data right now" in answer.text
    assert visitor.numbers == {}


@pytest.mark.usefixtures("paused_database")
def test_a_frozen_database_is_a_friendly_page_and_no_zeros(visitor: Visitor) -> None:
    """503 with the time to come back, even while Redis still knows the numbers."""
    _says_it_is_away(visitor)


@pytest.mark.usefixtures("paused_database")
def test_a_change_without_an_answer_is_not_called_done(visitor: Visitor) -> None:
    """It may have happened: the page says so, and offers nothing else."""
    answer = visitor.submits("/desk/products/new", title="Perhaps")
    assert answer.status_code == 503
    assert "it may have happened" in answer.text
    assert "was added" not in answer.text


@pytest.mark.usefixtures("paused_database")
def test_signing_in_without_a_database_is_not_called_a_wrong_password(visitor: Visitor, seller: Seller) -> None:
    """The visitor is told to come back, not to check what they typed."""
    visitor.http.cookies.clear()
    visitor.opens("/sign-in")
    answer = visitor.submits("/sign-in", email=seller.email, password="whatever it is")
    assert answer.status_code == 503
    assert "Signing in is not possible right now." in answer.text


def test_a_database_that_is_gone_is_a_friendly_page(stack: Stack, seller: Seller, app: Flask, tmp_path: Path) -> None:
    """Nothing listens there: the same page, at once."""
    claims = {"sub": seller.id, "aud": "authenticated", "role": "authenticated", "exp": int(time.time()) + 600}
    claims["session_id"] = "00000000-0000-4000-8000-000000000000"
    token = jwt.encode(claims, stack.supabase.jwt_secret, "HS256")
    environment = app_environment(stack, SUPABASE_URL=f"http://{LOOPBACK}:{free_port()}")
    with AppServer(environment, workers=1, log=tmp_path / "app.log") as server, new_visitor(server.url) as visitor:
        visitor.takes_session(app, access_token=token, expires_at=int(time.time()) + 600, email=seller.email)
        _says_it_is_away(visitor)


def test_without_redis_the_desk_works_and_says_so(visitor: Visitor, valkey: ValkeyServer, seller: Seller) -> None:
    """Numbers, changes and undo come from the database; when Redis returns it is used again by itself."""
    valkey.stop()
    visitor.opens("/")
    assert "Redis is away" in visitor.page
    assert "fresh from the database: Redis is away" in visitor.page
    visitor.follows(visitor.submits("/desk/products/new", title="Added without Redis"))
    assert visitor.numbers["manual_entry"] == 1
    assert "fresh from the database: Redis has not heard of the last change yet" in visitor.page
    deal_id = seller.lists()[0]["id"]
    visitor.follows(visitor.submits("/desk/deals", action="delete", deal_ids=deal_id, back="/"))
    assert visitor.numbers["manual_entry"] == 0
    valkey.start()
    assert wait_until(lambda: "from Redis" in visitor.opens("/").text, seconds=15)
    assert visitor.numbers["manual_entry"] == 0
    assert "Redis connected" in visitor.page


def test_without_a_redis_url_the_panel_says_so(stack: Stack, seller: Seller, tmp_path: Path) -> None:
    """No cache is configured: everything works."""
    environment = app_environment(stack, REDIS_URL="")
    with AppServer(environment, workers=1, log=tmp_path / "app.log") as server, new_visitor(server.url) as visitor:
        assert visitor.signs_in(seller).status_code == 200
        assert "No Redis configured" in visitor.page
        assert "fresh from the database: no Redis is configured" in visitor.page
