"""The operators' pages in a real Chromium: the chart, the polling, an outage, and what axe finds."""

from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from local.application import AppServer
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.browser import accessibility_mistakes, clean_page, signs_in
from tests.sellers import Seller, app_environment, make_operator, new_seller

_PAGES: Final = ("/operations", "/operations/entries", "/operations/flush", "/operations/redis")
_INK: Final = """canvas => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200) colours.add(data.slice(at, at + 3).join());
    return colours.size;
}"""


@pytest.fixture
def page(browser: Browser, server: AppServer, operator: Seller) -> Iterator[Page]:
    """Return a page of an operator. Any console message, page error or foreign request fails the test."""
    with clean_page(browser, server.url) as fresh:
        signs_in(fresh, operator)
        yield fresh


def test_the_charts_are_drawn_and_follow_the_reads(page: Page, operator: Seller) -> None:
    """From the table, which the page renews by itself. The strict CSP forbids no part of it."""
    page.get_by_role("link", name="Operations").click()
    expect(page.locator("#intervals time").first).to_be_attached(timeout=15_000)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    for canvas in page.get_by_role("img", name="The table below has the numbers").all():
        expect(canvas).to_be_visible()
        assert canvas.evaluate(_INK) > 3
    rows = page.locator("#intervals time")
    newest = rows.first.get_attribute("datetime")
    page.get_by_text("The last five minutes as a table").click()
    for _ in range(20):
        operator.reads_stats()
    expect(rows.first).not_to_have_attribute("datetime", newest or "", timeout=15_000)
    expect(page.get_by_role("table")).to_be_visible()


def test_a_hidden_page_asks_nothing(page: Page) -> None:
    """And asks at once when it is shown again."""
    page.goto("/operations")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    _show(page, hidden=True)
    page.wait_for_timeout(6_000)
    assert asked == []
    with page.expect_request("**/operations/figures"):
        _show(page, hidden=False)


def _show(page: Page, *, hidden: bool) -> None:
    page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def test_an_outage_of_the_server_is_told_and_ends_by_itself(
    browser: Browser, server: AppServer, operator: Seller
) -> None:
    """The figures stay, with the time at which they were true."""
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        signs_in(page, operator)
        page.goto("/operations")
        figures = "**/operations/figures"

        def fail(route: Route) -> None:
            route.abort()

        page.route(figures, fail)
        expect(page.get_by_text("Reconnecting… These are the figures of")).to_be_visible(timeout=15_000)
        expect(page.get_by_text("Circuit breaker")).to_be_visible()
        page.unroute(figures, fail)
        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=20_000)


def test_redis_is_killed_and_comes_back_while_the_page_is_open(
    browser: Browser, stack: Stack, valkey: ValkeyServer
) -> None:
    """The figures follow by themselves, also the number of owed deletes."""
    environment = app_environment(stack, REDIS_URL=valkey.url)
    with (
        AppServer(environment, workers=1) as app,
        new_seller(stack.supabase, app.url) as someone,
        clean_page(browser, app.url) as page,
    ):
        make_operator(stack.supabase, someone)
        signs_in(page, someone)
        page.goto("/operations")
        expect(_figure(page, "Redis")).to_contain_text("Connected")
        valkey.kill()
        expect(_figure(page, "Redis")).to_contain_text("Unavailable", timeout=15_000)
        expect(_figure(page, "Circuit breaker")).to_contain_text("Open", timeout=15_000)
        someone.creates()
        expect(_figure(page, "Owed deletes")).not_to_contain_text("deletes0", timeout=15_000)
        valkey.start()
        expect(_figure(page, "Redis")).to_contain_text("Connected", timeout=20_000)
        expect(_figure(page, "Circuit breaker")).to_contain_text("Closed", timeout=20_000)
        expect(_figure(page, "Owed deletes")).to_contain_text("Redis has received every change.", timeout=20_000)
        expect(page.get_by_text("Live", exact=True)).to_be_visible()


def _figure(page: Page, label: str) -> Locator:
    return page.locator("#figures > div").filter(has=page.get_by_text(label, exact=True))


@pytest.mark.parametrize(("status", "text"), [(401, "Signed out."), (403, "can no longer see")])
def test_the_page_says_why_it_no_longer_follows(
    browser: Browser, server: AppServer, operator: Seller, status: int, text: str
) -> None:
    """The session has ended, or the user is no operator any more. It does not ask again."""
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        signs_in(page, operator)
        page.goto("/operations")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.route("**/operations/figures", lambda route: route.fulfill(status=status))
        expect(page.get_by_text(text)).to_be_visible(timeout=15_000)
        page.wait_for_timeout(6_000)
        assert len(asked) == 1


def test_an_entry_is_deleted_with_the_keyboard(page: Page, seller: Seller) -> None:
    """Search, Delete, confirm."""
    seller.reads_stats()
    page.goto("/operations/entries")
    page.get_by_label("User id of a seller").fill(seller.id)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=f"Delete the entry of {seller.id}").press("Enter")
    page.get_by_role("button", name="Delete the entry of this seller").press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("1 entry was deleted.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_have_no_accessibility_mistake(page: Page, operator: Seller, scheme: str) -> None:
    """As axe finds them, on a desktop and at a width of 320 px, where nothing needs sideways scrolling."""
    operator.reads_stats()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    found = {}
    for address in _PAGES:
        for width in (1280, 320):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(address)
            if address == "/operations":
                page.get_by_text("The last five minutes as a table").click()
            found[address, width] = accessibility_mistakes(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    assert {where: mistakes for where, mistakes in found.items() if mistakes} == {}


def test_without_javascript_the_table_is_there(browser: Browser, server: AppServer, operator: Seller) -> None:
    """And no empty chart."""
    with browser.new_context(base_url=server.url, java_script_enabled=False) as context:
        page = context.new_page()
        signs_in(page, operator)
        page.goto("/operations")
        expect(page.get_by_role("img")).to_have_count(0)
        page.get_by_text("The last five minutes as a table").click()
        expect(page.get_by_role("columnheader", name="Hits per second")).to_be_visible()
