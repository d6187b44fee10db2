"""Forms that were not saved, in a real Chromium: filled in, met by an ended session or an outage, sent again."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from local.application import AppServer
from local.stack import Stack
from tests.browser import accessibility_mistakes, signs_in
from tests.clients import PASSWORD
from tests.sellers import Seller


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def page(request: pytest.FixtureRequest, browser: Browser, server: AppServer, seller: Seller) -> Iterator[Page]:
    """Return a page of `seller`, with and without JavaScript."""
    with browser.new_context(base_url=server.url, java_script_enabled=request.param, bypass_csp=True) as context:
        fresh = context.new_page()
        signs_in(fresh, seller)
        yield fresh


def _fills_in(page: Page) -> None:
    page.goto("/desk/products/new")
    page.get_by_label("Title").fill("Brass lamp")
    page.get_by_label("Notes").fill("first line\nsecond line")


def _is_saved(page: Page, seller: Seller) -> None:
    expect(page.get_by_text("“Brass lamp” was added.")).to_be_visible()
    (deal,) = seller.lists()
    assert deal["notes"].splitlines() == ["first line", "second line"]


def _is_accessible(page: Page) -> None:
    """Check the page with axe in light and dark, and at 320 px without sideways scrolling."""
    if page.evaluate("document.scripts.length && typeof desk === 'object'"):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert accessibility_mistakes(page) == []
    page.set_viewport_size({"width": 320, "height": 600})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_form_survives_the_end_of_the_session(page: Page, seller: Seller) -> None:
    """The session ends in another tab. After signing in again one button sends what was typed."""
    _fills_in(page)
    other = page.context.new_page()
    other.goto("/deals")
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_text("You are signed out.")).to_be_visible()
    page.get_by_role("button", name="Add product").click()
    expect(page.get_by_text("What you entered is kept")).to_be_visible()
    _is_accessible(page)
    page.get_by_label("E-mail address").fill(seller.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("region", name="What you entered")).to_contain_text("Brass lamp")
    _is_accessible(page)
    page.get_by_role("button", name="Send again").click()
    _is_saved(page, seller)


def test_a_form_survives_an_outage_of_the_database(page: Page, seller: Seller, stack: Stack) -> None:
    """The page shows the reason and what was typed. Retry sends it when the database answers again."""
    _fills_in(page)
    stack.supabase.pause()
    try:
        page.get_by_role("button", name="Add product").click()
        expect(page.get_by_role("heading", name="cannot reach its data")).to_be_visible(timeout=30_000)
    finally:
        stack.supabase.resume()
    expect(page.get_by_role("region", name="What you entered")).to_contain_text("second line")
    _is_accessible(page)
    while not page.get_by_text("was added").is_visible():
        page.get_by_role("button", name="Retry").click()
    _is_saved(page, seller)
