"""The frame around every page in a real Chromium: navigation, sizes of targets, forced colors."""

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from local.application import AppServer
from tests.browser import accessibility_mistakes, signs_in, small_targets
from tests.clients import PASSWORD
from tests.desk_pages import UPC, creates_with_candidates
from tests.sellers import Seller


def test_the_navigation_marks_the_place_of_each_page(page: Page, seller: Seller) -> None:
    """`page` on its first page, `true` on the pages that belong to it."""
    deal = seller.creates(upc=UPC)
    for address, label, mark in (
        ("/", "Work", "page"),
        ("/desk/queue/needs_asin", "Work", "true"),
        ("/deals", "Deals", "page"),
        (f"/desk/products/{deal['product_id']}", "Deals", "true"),
        ("/desk/import", "Import & export", "page"),
    ):
        page.goto(address)
        places = page.get_by_role("navigation", name="Places")
        expect(places.locator("[aria-current]")).to_have_count(1)
        expect(places.get_by_role("link", name=label)).to_have_attribute("aria-current", mark)


def test_the_navigation_is_one_row_on_a_phone(page: Page) -> None:
    """Places that do not fit are reached by scrolling this row, or with Tab. The current one can be seen."""
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto("/account")
    expect(page.get_by_role("link", name="Account")).to_be_in_viewport(ratio=0.99)
    page.goto("/")
    links = page.get_by_role("navigation", name="Places").get_by_role("link")
    tops = {round(link.bounding_box()["y"]) for link in links.all()}  # type: ignore[index]  # each is shown
    assert len(tops) == 1, tops
    links.last.focus()
    expect(links.last).to_be_in_viewport(ratio=0.99)


@pytest.mark.parametrize("width", [1280, 320])
def test_everything_that_can_be_clicked_is_large_enough(page: Page, seller: Seller, width: int) -> None:
    """At least 24 px, or with enough space around it (WCAG 2.2, 2.5.8)."""
    creates_with_candidates(seller, upc=UPC)
    page.set_viewport_size({"width": width, "height": 800})
    for address in ("/", "/deals", "/desk/queue/needs_selection", "/desk/import"):
        page.goto(address)
        assert small_targets(page) == [], address


def test_the_current_place_is_visible_in_forced_colors(page: Page) -> None:
    """The browser takes away backgrounds there, so an outline marks it."""
    current = page.get_by_role("navigation", name="Places").locator("[aria-current]")
    style = "element => getComputedStyle(element).outlineStyle"
    assert current.evaluate(style) == "none"
    page.emulate_media(forced_colors="active")
    assert current.evaluate(style) == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_error_page_has_no_accessibility_mistake(browser: Browser, server: AppServer, scheme: str) -> None:
    """As axe finds them, at a width of 320 px, where nothing needs sideways scrolling."""
    chosen: Literal["light", "dark"] = "dark" if scheme == "dark" else "light"
    with browser.new_context(
        base_url=server.url, viewport={"width": 320, "height": 640}, color_scheme=chosen
    ) as context:
        page = context.new_page()
        for address in ("/desk/nope", "/problems/nope", "/sign-in"):
            page.goto(address)
            assert accessibility_mistakes(page) == [], address
            assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_bar_shows_that_a_part_of_the_page_is_on_its_way(open_page: Page) -> None:
    """While htmx waits for an answer, and not longer."""
    style = "getComputedStyle(document.querySelector('.top'), '::after').animationName"
    assert open_page.evaluate(style) == "none"
    open_page.route("**/desk/nope", lambda _: None)
    _replaces_heading(open_page, "/desk/nope")
    expect(open_page.locator(".htmx-request")).to_have_count(1)
    assert open_page.evaluate(style) == "busy"
    open_page.unroute("**/desk/nope")
    open_page.evaluate("htmx.trigger('body', 'htmx:abort')")
    expect(open_page.locator(".htmx-request")).to_have_count(0)
    assert open_page.evaluate(style) == "none"


def _replaces_heading(page: Page, path: str) -> None:
    """Let htmx request `path` and put the answer in the place of the heading."""
    page.evaluate("path => void htmx.ajax('GET', path, {target: 'h1', swap: 'outerHTML'})", path)


@pytest.fixture
def open_page(browser: Browser, server: AppServer, seller: Seller) -> Iterator[Page]:
    """Return a page of `seller` whose console may mention the answers that the test provokes."""
    with browser.new_context(base_url=server.url) as context:
        fresh = context.new_page()
        signs_in(fresh, seller)
        expect(fresh.locator("body")).to_have_class("keyed")
        yield fresh


def test_a_refused_request_of_htmx_leaves_the_page_and_shows_a_notice(open_page: Page) -> None:
    """In the live region. The part of the page that the answer would have replaced stays."""
    notices = open_page.locator("#notices")
    expect(notices).to_have_attribute("role", "status")
    _replaces_heading(open_page, "/desk/nope")
    expect(notices).to_contain_text("Page not found")
    expect(open_page.get_by_role("heading", name="Work", exact=True)).to_be_visible()


def test_an_answer_for_programs_never_replaces_a_part_of_the_page(open_page: Page) -> None:
    """A problem document is not shown, but named."""
    _replaces_heading(open_page, "/products?limit=0")
    expect(open_page.locator("#notices")).to_contain_text("That did not work (422)")
    expect(open_page.get_by_role("heading", name="Work", exact=True)).to_be_visible()


def test_a_lost_connection_is_told_in_the_live_region(open_page: Page) -> None:
    """The page stays as it is."""
    open_page.context.set_offline(True)
    _replaces_heading(open_page, "/desk/nope")
    expect(open_page.locator("#notices")).to_contain_text("There is no connection.")
    expect(open_page.get_by_role("heading", name="Work", exact=True)).to_be_visible()


def test_an_ended_session_offers_to_sign_in_and_to_return(open_page: Page, seller: Seller) -> None:
    """The notice has a link. After the sign-in the same page is shown."""
    open_page.goto("/deals?stage=new")
    expect(open_page.locator("body")).to_have_class("keyed")
    open_page.context.clear_cookies()
    _replaces_heading(open_page, "/desk/products/new")
    open_page.locator("#notices").get_by_role("link", name="Sign in").click()
    open_page.get_by_label("E-mail address").fill(seller.email)
    open_page.get_by_label("Password").fill(PASSWORD)
    open_page.keyboard.press("Enter")
    expect(open_page).to_have_url(re.compile(r"/deals\?stage=new$"))
