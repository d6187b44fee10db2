"""The frame around every page in a real Chromium: navigation, sizes of targets, forced colors."""

from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from local import ROOT
from local.application import AppServer
from tests.browser import chromium, clean_page, signs_in
from tests.desk_pages import UPC, creates_with_candidates
from tests.sellers import Seller

_AXE: Final = ROOT / "node_modules" / "axe-core" / "axe.min.js"
_SMALL_TARGETS: Final = (
    "axe.run({runOnly: ['target-size']})"
    ".then(found => found.violations.flatMap(rule => rule.nodes.map(node => node.html)))"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run one Chromium for the tests of this module."""
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: AppServer, seller: Seller) -> Iterator[Page]:
    """Return a page of `seller`. Any console message, page error or foreign request fails the test."""
    with clean_page(browser, server.url) as fresh:
        signs_in(fresh, seller)
        yield fresh


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


@pytest.mark.parametrize("width", [1280, 320])
def test_everything_that_can_be_clicked_is_large_enough(page: Page, seller: Seller, width: int) -> None:
    """At least 24 px, or with enough space around it (WCAG 2.2, 2.5.8)."""
    creates_with_candidates(seller, upc=UPC)
    page.set_viewport_size({"width": width, "height": 800})
    for address in ("/", "/deals", "/desk/queue/needs_selection", "/desk/import"):
        page.goto(address)
        page.evaluate(_AXE.read_text("utf-8"))
        assert page.evaluate(_SMALL_TARGETS) == [], address


def test_the_current_place_is_visible_in_forced_colors(page: Page) -> None:
    """The browser takes away backgrounds there, so an outline marks it."""
    current = page.get_by_role("navigation", name="Places").locator("[aria-current]")
    style = "element => getComputedStyle(element).outlineStyle"
    assert current.evaluate(style) == "none"
    page.emulate_media(forced_colors="active")
    assert current.evaluate(style) == "solid"
