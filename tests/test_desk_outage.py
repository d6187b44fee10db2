"""The desk during an outage of the database or Redis: a clear message, and no wrong numbers."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import jwt
import pytest
from flask import Flask

from local.application import AppServer
from local.processes import wait_until
from local.server import LOOPBACK, free_port
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.desk_pages import value
from tests.proxy import Fault, SupabaseProxy
from tests.sellers import Seller, app_environment
from tests.visitors import Visitor, new_visitor

_QUEUE: Final = "/desk/queue/manual_entry"
_LOST_CHANGES: Final = Fault(lambda answer: answer if answer.endswith((b"true", b'"ok"')) else b"")
"""Only the check of the session and the probes of the database are answered."""


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
    answer = visitor.opens("/deals?stage=new")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "The desk cannot reach its data right now" in answer.text
    assert '<a class="button primary" href="/deals?stage=new">Try again</a>' in answer.text
    assert visitor.numbers == {}


@pytest.mark.usefixtures("paused_database")
def test_a_paused_database_is_a_503_page_without_numbers(visitor: Visitor) -> None:
    """503 with Retry-After, even while Redis still has the numbers."""
    _shows_the_outage_page(visitor)


def test_a_change_without_an_answer_is_not_reported_as_done(visitor: Visitor, proxy: SupabaseProxy) -> None:
    """The page says that the change may have happened."""
    proxy.fault = _LOST_CHANGES
    answer = visitor.submits("/desk/products/new", title="Perhaps")
    proxy.fault = None
    assert answer.status_code == 503
    assert "it may have happened" in answer.text
    assert "If it was not saved, reload this page to send the form again" in answer.text
    assert "was added" not in answer.text


def test_an_upload_that_stops_shows_what_was_processed(visitor: Visitor, proxy: SupabaseProxy) -> None:
    """The numbers on its page are those of the upload, not of the database, which does not answer."""
    visitor.opens("/desk/candidates")
    proxy.fault = _LOST_CHANGES
    answer = visitor.uploads("/desk/candidates", "UPC,ASIN\n012345678905,B0000000A1\n")
    proxy.fault = None
    assert answer.status_code == 503
    assert "The upload stopped" in answer.text
    assert "0 of 1 rows processed" in answer.text


def test_an_answer_in_a_queue_during_an_outage_can_be_sent_again(
    visitor: Visitor, seller: Seller, stack: Stack
) -> None:
    """The first page says that it may have been saved, the next ones say that nothing was changed.

    The same request is accepted when the database answers again, unless the first one was saved.
    """
    seller.creates(title="Lamp")
    visitor.opens(_QUEUE)
    form = {name: value(visitor.page, name) for name in ("csrf_token", "product_id", "etag", "next")}
    form |= {"answer": "asin", "asin": "B0000000Z9"}
    stack.supabase.pause()
    assert visitor.submits(_QUEUE, **form).status_code == 503
    second = visitor.submits(_QUEUE, **form)
    stack.supabase.resume()
    assert second.status_code == 503
    assert "nothing was changed" in second.text
    assert "Reload this page to send the form again" in second.text
    assert wait_until(lambda: visitor.submits(_QUEUE, **form).status_code in {303, 409}, seconds=10)
    assert seller.lists()[0]["product"]["asin"] == "B0000000Z9"


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
    assert "Fresh from the database: Redis is unavailable" in visitor.page
    visitor.follows(visitor.submits("/desk/products/new", title="Added without Redis"))
    assert visitor.numbers["manual_entry"] == 1
    visitor.opens("/")
    assert "Live data (the cache is catching up)" in visitor.page
    assert "Fresh from the database: the cache has not received the last change yet" in visitor.page
    deal_id = seller.lists()[0]["id"]
    visitor.follows(visitor.submits("/desk/deals", action="delete", deal_ids=deal_id, back="/"))
    assert visitor.numbers["manual_entry"] == 0
    valkey.start()
    assert wait_until(lambda: "From Redis" in visitor.opens("/").text, seconds=15)
    assert visitor.numbers["manual_entry"] == 0


def test_without_a_redis_url_the_page_says_so(stack: Stack, seller: Seller, tmp_path: Path) -> None:
    """The desk works without a cache."""
    environment = app_environment(stack, REDIS_URL="")
    with AppServer(environment, workers=1, log=tmp_path / "app.log") as server, new_visitor(server.url) as visitor:
        assert visitor.signs_in(seller).status_code == 200
        assert "Fresh from the database: no Redis is configured" in visitor.page
