"""The keys of every page in a real Chromium: places, search, help; and that they can be switched off."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from local.application import AppServer
from tests.browser import accessibility_mistakes, clean_page, signs_in
from tests.desk_pages import UPC, creates_with_candidates
from tests.sellers import Seller


@pytest.fixture
def page(browser: Browser, server: AppServer, seller: Seller) -> Iterator[Page]:
    """Return a page of `seller` whose script listens. Any console message or page error fails the test."""
    with clean_page(browser, server.url) as fresh:
        signs_in(fresh, seller)
        expect(fresh.locator("body")).to_have_class("keyed")
        yield fresh


def _types(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def _is_at(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", name=heading, exact=True, level=1)).to_be_visible()
    expect(page.locator("body")).to_have_class("keyed")


def test_g_and_a_letter_go_to_a_place(page: Page) -> None:
    """Deals, import, and back to the work."""
    for letter, heading in (("d", "Deals"), ("i", "Import a file"), ("w", "Work")):
        _types(page, "g", letter)
        _is_at(page, heading)


def test_another_key_after_g_goes_nowhere(page: Page) -> None:
    """And the letter alone does nothing either."""
    _types(page, "g", "x", "d", "w")
    page.keyboard.press("Control+g")
    page.keyboard.press("d")
    _is_at(page, "Work")


def test_a_slash_focuses_the_search_and_keys_are_text_there(page: Page) -> None:
    """`g d ?` in the field is what the user typed."""
    page.goto("/deals")
    _is_at(page, "Deals")
    page.keyboard.press("/")
    search = page.get_by_role("searchbox")
    expect(search).to_be_focused()
    page.keyboard.type("gw?/")
    expect(search).to_have_value("gw?/")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_help_lists_the_keys_of_the_page(page: Page, seller: Seller) -> None:
    """Escape closes it, and the focus is where it was. While it is open, no key acts on the page."""
    creates_with_candidates(seller, upc=UPC)
    page.goto("/desk/queue/needs_selection")
    expect(page.get_by_role("button", name="Choose B0000000A1")).to_be_focused()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    for words in ("Choose B0000000A1", "None of these", "Remember the answer", "Deals", "This help"):
        expect(dialog).to_contain_text(words)
    _types(page, "n", "g", "w")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Choose B0000000A1")).to_be_focused()
    assert seller.stats()["needs_selection"] == 1


def test_the_keys_can_be_switched_off_in_the_help(page: Page) -> None:
    """The button still opens it, and the browser remembers the choice."""
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Single-key shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    _types(page, "?", "g", "d")
    page.goto("/deals")
    expect(page.get_by_role("button", name="Keyboard shortcuts")).to_be_visible()
    _types(page, "?", "g", "w")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", name="Deals", level=1)).to_be_visible()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Single-key shortcuts").check()
    page.keyboard.press("Escape")
    _types(page, "g", "w")
    _is_at(page, "Work")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_open_help_has_no_accessibility_mistake(page: Page, scheme: str) -> None:
    """As axe finds them, also at a width of 320 px."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.keyboard.press("?")
    for width in (1280, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert accessibility_mistakes(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
