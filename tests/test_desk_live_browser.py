"""The tiles of an open page in a real Chromium: they follow every change, rest in a hidden tab, and survive outages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from local.application import AppServer
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.browser import signs_in
from tests.sellers import Seller, app_environment

_HIDE = "Object.defineProperty(document, 'hidden', {configurable: true, get: () => %s}); %s"
_TELL = "document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture
def own_server(stack: Stack, tmp_path: Path) -> Iterator[AppServer]:
    """Run an app of its own, which the test may stop."""
    environment = app_environment(stack)
    with AppServer(environment, workers=1, log=tmp_path / "app.log") as running:
        yield running


def _hides(page: Page, *, hidden: bool) -> None:
    """Make the page believe that its tab was hidden or shown: a browser without a screen shows every tab."""
    page.evaluate(_HIDE % (str(hidden).lower(), _TELL))


def _asks(page: Page) -> list[Request]:
    """Return a list to which each later request for the numbers is added."""
    found: list[Request] = []
    page.on("request", lambda request: found.append(request) if _is_for_numbers(request) else None)
    return found


def _is_for_numbers(request: Request) -> bool:
    return request.url.endswith("/desk/numbers")


def _number(page: Page, status: str, number: int, *, seconds: float = 5) -> None:
    expect(page.locator(f"[data-status={status}]")).to_have_text(str(number), timeout=seconds * 1000)


def test_the_tiles_follow_a_change_of_a_program_within_five_seconds(page: Page, seller: Seller) -> None:
    """The first product, its queue, and the end of the queue, without a reload."""
    expect(page.get_by_role("heading", name="Start with your list")).to_be_visible()
    deal = seller.creates(upc="12345670")
    _number(page, "needs_asin", 1)
    _number(page, "all", 1)
    expect(page.get_by_role("heading", name="Start with your list")).to_be_hidden()
    expect(page.get_by_role("link", name="Find ASINs")).to_be_visible()
    seller.http.post(f"/products/{deal['product_id']}/asin", json={"asin": "B000000001"})
    _number(page, "needs_asin", 0)
    expect(page.get_by_role("link", name="Find ASINs")).to_be_hidden()


def test_a_change_in_one_tab_moves_the_tiles_of_the_other(browser: Browser, server: AppServer, seller: Seller) -> None:
    """Both tabs are of the same browser."""
    with browser.new_context(base_url=server.url) as context:
        first, second = context.new_page(), context.new_page()
        signs_in(first, seller)
        second.goto("/deals")
        first.goto("/desk/products/new")
        first.get_by_label("Title").fill("Lamp")
        first.get_by_role("button", name="Add product").click()
        _number(second, "manual_entry", 1)


def test_the_tiles_move_at_once_when_a_script_reports_a_change(page: Page, seller: Seller) -> None:
    """Long before the next regular request. An answer of htmx reports it with the header HX-Trigger."""
    asked = _asks(page)
    seller.creates()
    page.evaluate("document.body.dispatchEvent(new Event('stats:changed', {bubbles: true}))")
    _number(page, "all", 1, seconds=1.5)
    assert len(asked) == 1


def test_a_hidden_tab_asks_nothing_and_a_shown_one_at_once(page: Page, seller: Seller) -> None:
    """Another tab, which stays visible, asks twice in the meantime."""
    visible = page.context.new_page()
    visible.goto("/")
    _hides(page, hidden=True)
    asked = _asks(page)
    for _ in range(2):
        with visible.expect_response("**/desk/numbers", timeout=6_000):
            pass
    seller.creates()
    _number(visible, "all", 1)
    assert asked == []
    _hides(page, hidden=False)
    _number(page, "all", 1, seconds=1.5)


def test_unchanged_numbers_are_answered_with_304(page: Page) -> None:
    """The second request has the entity tag of the first one."""
    with page.expect_response("**/desk/numbers", timeout=6_000) as first:
        page.evaluate("document.dispatchEvent(new Event('stats:changed'))")
    assert first.value.status == 200
    with page.expect_response("**/desk/numbers", timeout=6_000) as second:
        pass
    assert second.value.status == 304
    page.get_by_text("Updated just now").click()
    expect(page.get_by_text("Checked at")).to_be_visible()


def test_a_stopped_server_is_shown_calmly_and_the_page_recovers(
    browser: Browser, own_server: AppServer, seller: Seller
) -> None:
    """The numbers stay, the line says that they are old, and nothing needs a reload when the server is back."""
    with browser.new_context(base_url=own_server.url) as context:
        page = context.new_page()
        signs_in(page, seller)
        seller.creates()
        _number(page, "all", 1)
        own_server.stop()
        expect(page.get_by_text("Reconnecting…")).to_be_visible(timeout=15_000)
        own_server.start()
        _number(page, "all", 1)
        expect(page.get_by_text("Updated just now")).to_be_visible(timeout=20_000)


def test_the_pauses_grow_to_a_minute_while_the_server_is_away(
    browser: Browser, own_server: AppServer, seller: Seller
) -> None:
    """The first failure is repeated after a second. The clock of the page is moved by the test."""
    with browser.new_context(base_url=own_server.url) as context:
        page = context.new_page()
        page.clock.install()
        signs_in(page, seller)
        own_server.stop()
        asked = _asks(page)
        with page.expect_event("requestfailed", _is_for_numbers):
            page.clock.run_for(5_000)
        for pause in (1, 4, 8, 16, 32, 60, 60, 60):
            page.evaluate("fetch('/').catch(() => 0)")  # by then the page knows that the last request has failed
            before = len(asked)
            page.clock.run_for(500 * pause)
            assert len(asked) == before, pause
            with page.expect_event("requestfailed", _is_for_numbers):
                page.clock.run_for(500 * pause + 1_000)


def test_an_ended_session_is_told_and_nothing_more_is_asked(refused_page: Page) -> None:
    """Not even when a script reports a change."""
    refused_page.context.clear_cookies()
    expect(refused_page.get_by_text("Signed out")).to_be_visible(timeout=10_000)
    asked = _asks(refused_page)
    refused_page.evaluate("document.dispatchEvent(new Event('stats:changed'))")
    refused_page.evaluate("fetch('/favicon.ico')")
    assert asked == []


def test_the_line_says_when_the_cache_is_catching_up(
    browser: Browser, stack: Stack, valkey: ValkeyServer, seller: Seller, tmp_path: Path
) -> None:
    """Without Redis the numbers stay right, because they come from the database."""
    app = AppServer(app_environment(stack, REDIS_URL=valkey.url), workers=1, log=tmp_path / "app.log")
    with app, browser.new_context(base_url=app.url) as context:
        page = context.new_page()
        signs_in(page, seller)
        valkey.stop()
        expect(page.get_by_text("Live data (the cache is catching up)")).to_be_visible(timeout=10_000)
        seller.creates()
        _number(page, "all", 1, seconds=10)
        valkey.start()
        expect(page.get_by_text("Updated just now")).to_be_visible(timeout=20_000)


def test_a_stopped_database_keeps_the_numbers_and_what_was_typed(
    browser: Browser, own_server: AppServer, stack: Stack, seller: Seller
) -> None:
    """The line says that the page is reconnecting, and the form can be sent when the database is back."""
    with browser.new_context(base_url=own_server.url) as context:
        work, form = context.new_page(), context.new_page()
        signs_in(work, seller)
        form.goto("/desk/products/new")
        form.get_by_label("Title").fill("Typed during the outage")
        stack.supabase.pause()
        try:
            expect(work.get_by_text("Reconnecting…")).to_be_visible(timeout=30_000)
            _number(work, "all", 0)
        finally:
            stack.supabase.resume()
        expect(work.get_by_text("Updated just now")).to_be_visible(timeout=30_000)
        form.get_by_role("button", name="Add product").click()
        _number(work, "all", 1)
