"""The pages of the work in a real Chromium: by keyboard, without JavaScript, and checked by axe."""

import re
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from local.application import AppServer
from tests.browser import accessibility_mistakes, signs_in
from tests.desk_pages import CANDIDATES, OTHER_UPC, UPC, creates_with_candidates, product_path, reads
from tests.sellers import Seller

SELECTION: Final = "/desk/queue/needs_selection"


@pytest.fixture
def plain_page(browser: Browser, server: AppServer, seller: Seller) -> Iterator[Page]:
    """Return a page of `seller` in a browser without JavaScript."""
    with browser.new_context(base_url=server.url, java_script_enabled=False) as context:
        fresh = context.new_page()
        signs_in(fresh, seller)
        yield fresh


def _number(page: Page, status: str, number: int) -> None:
    expect(page.locator(f"[data-status={status}]")).to_have_text(str(number))


def _shows(page: Page, title: str) -> None:
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()


def _press(page: Page, key: str) -> None:
    """Press a key as soon as the script of the page listens."""
    expect(page.locator("body")).to_have_class("keyed")
    page.keyboard.press(key)


def _two_lamps(seller: Seller) -> list[str]:
    return [
        creates_with_candidates(seller, f"B00000{number}0A1", f"B00000{number}0A2", title=f"Lamp {number}", upc=upc)
        for number, upc in ((1, UPC), (2, OTHER_UPC))
    ]


def test_a_queue_is_worked_with_single_keys(page: Page, seller: Seller) -> None:
    """Choose, undo, skip, none, remember and enter. The first candidate's button has the focus."""
    first, second = _two_lamps(seller)
    page.goto("/")
    page.get_by_role("link", name="Choose listings").click()
    _shows(page, "Lamp 2")
    expect(page.get_by_role("button", name="Choose B0000020A1")).to_be_focused()
    _press(page, "2")
    _shows(page, "Lamp 1")
    _number(page, "needs_selection", 1)
    assert reads(seller, second)["asin"] == "B0000020A2"
    _press(page, "u")
    _shows(page, "Lamp 2")
    _number(page, "needs_selection", 2)
    _press(page, "s")
    _shows(page, "Lamp 1")
    _press(page, "r")
    expect(page.get_by_label("Remember the answer for this UPC")).not_to_be_checked()
    _press(page, "e")
    page.keyboard.type("b000000s1n")  # s, 1 and n are text here
    page.keyboard.press("Enter")
    expect(page.get_by_text("You have reached the end of this queue")).to_be_visible()
    assert reads(seller, first)["asin"] == "B000000S1N"
    page.get_by_role("link", name="Start again").click()
    _press(page, "n")
    expect(page.get_by_text("Nothing is waiting here")).to_be_visible()
    _number(page, "needs_asin", 1)


def test_single_keys_can_be_switched_off(page: Page, seller: Seller) -> None:
    """The browser remembers it. Keys with Ctrl or Alt are never taken."""
    _two_lamps(seller)
    page.goto(SELECTION)
    _press(page, "Control+1")
    page.get_by_label("Use single keys").uncheck()
    page.keyboard.press("1")
    page.reload()
    page.keyboard.press("2")
    expect(page.get_by_label("Use single keys")).not_to_be_checked()
    _shows(page, "Lamp 2")
    page.get_by_label("Use single keys").check()
    _press(page, "1")
    _shows(page, "Lamp 1")


def test_the_queue_is_worked_with_the_tab_key(page: Page, seller: Seller) -> None:
    """The focused control is visible, and Enter presses it."""
    _two_lamps(seller)
    page.goto(SELECTION)
    expect(page.get_by_role("button", name="Choose B0000020A1")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="View at Amazon B0000020A1")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Choose B0000020A2")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("now has the ASIN B0000020A2")


def test_everything_works_without_javascript(plain_page: Page, seller: Seller) -> None:
    """Choose, undo, skip, none, enter, and save a product and a deal; access keys are set."""
    page = plain_page
    _two_lamps(seller)
    page.goto("/")
    page.get_by_role("link", name="Choose listings").click()
    assert page.get_by_role("button", name="Choose B0000020A2").get_attribute("accesskey") == "2"
    expect(page.get_by_text("Use single keys")).to_be_hidden()
    page.get_by_role("button", name="Choose B0000020A2").click()
    page.get_by_role("button", name="Undo").click()
    _shows(page, "Lamp 2")
    page.get_by_role("link", name="Skip", exact=True).click()
    _shows(page, "Lamp 1")
    page.get_by_label("ASIN or address of the listing").fill("B0000000Z9")
    page.get_by_role("button", name="Use this ASIN").click()
    page.get_by_role("link", name="Start again").click()
    page.get_by_role("button", name="None of these").click()
    page.goto("/deals")
    page.get_by_role("link", name="Lamp 2").click()
    page.get_by_label("Brand").fill("North")
    page.get_by_role("button", name="Save product").click()
    page.get_by_text("Add a note").click()
    page.get_by_label("Note for the deal").fill("Called")
    page.get_by_role("button", name="Add note").click()
    page.get_by_role("link", name="Edit deal").click()
    page.get_by_label("Supplier").fill("Acme")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The deal was saved.")).to_be_visible()
    deal = next(deal for deal in seller.lists() if deal["product"]["title"] == "Lamp 2")
    assert (deal["product"]["brand"], deal["supplier"], "Called" in deal["notes"]) == ("North", "Acme", True)
    assert seller.stats()["needs_selection"] == 0


def test_a_listing_opens_in_a_new_tab_without_a_referrer(page: Page, seller: Seller) -> None:
    """The page itself requests nothing from there: the fixture fails on a foreign request."""
    creates_with_candidates(seller, upc=UPC)
    page.goto(SELECTION)
    link = page.get_by_role("link", name=f"View at Amazon {CANDIDATES[0]} (opens in a new tab)")
    assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noreferrer noopener")
    assert link.get_attribute("href") == f"https://www.amazon.com/dp/{CANDIDATES[0]}"


def test_the_second_tab_sees_what_the_first_decided(browser: Browser, server: AppServer, seller: Seller) -> None:
    """It can go on with the next product by a key."""
    _two_lamps(seller)
    with browser.new_context(base_url=server.url) as context:
        first, second = context.new_page(), context.new_page()
        signs_in(first, seller)
        for tab in (first, second):
            tab.goto(SELECTION)
        _press(first, "1")
        _shows(first, "Lamp 1")
        _press(second, "2")
        expect(second.get_by_text("in the meantime, perhaps in another tab")).to_be_visible()
        expect(second.get_by_role("main")).to_contain_text("It now has the ASIN B0000020A1")
        second.get_by_role("link", name="Next product").click()
        _shows(second, "Lamp 1")


def _pages(seller: Seller) -> list[str]:
    """Create something for each page and return their addresses."""
    lamp, mug = _two_lamps(seller)
    seller.http.post(f"/products/{mug}/asin", json={"none": True, "remember": "never"})
    seller.creates(title="Found", asin="B0000000Z9", supplier="Acme", notes="Call")
    manual = seller.creates(title="Manual", supplier="A very long supplier name " * 3)
    gone = seller.creates(title="Gone")
    seller.deletes(gone["id"])
    products = [product_path(product) for product in (lamp, mug, gone["product_id"])]
    queues = [f"/desk/queue/{status}" for status in ("needs_selection", "needs_asin", "manual_entry")]
    forms = [
        "/desk/matches",
        "/desk/asins",
        "/desk/candidates",
        f"/desk/deals/{manual['id']}",
        "/",
        "/deals",
        "/desk/import",
        "/trash",
        "/account",
        "/deals/matching?stage=new",
        "/sign-up",
        "/forgot-password",
    ]
    merge = f"{product_path(str(manual['product_id']))}/merge?into="
    return [*products, *queues, *forms, f"{merge}B0000000Z9"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_an_accessibility_mistake(page: Page, seller: Seller, scheme: str) -> None:
    """As axe finds them, on a desktop and at a width of 320 px, where nothing needs sideways scrolling."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    found = {}
    for address in _pages(seller):
        for width in (1280, 320):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(address)
            found[address, width] = accessibility_mistakes(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    assert {where: mistakes for where, mistakes in found.items() if mistakes} == {}


def test_mistakes_have_no_accessibility_mistake_either(browser: Browser, server: AppServer, seller: Seller) -> None:
    """The pages with status 409 and 422, which the browser's console mentions."""
    product_id = str(seller.creates(title="Manual")["product_id"])
    seller.creates(title="Found", asin="B0000000Z9")
    with browser.new_context(base_url=server.url, viewport={"width": 320, "height": 800}) as context:
        page = context.new_page()
        signs_in(page, seller)
        for address, label, typed, button in (
            ("/desk/queue/manual_entry", "ASIN or address", "x", "Use this ASIN"),
            ("/desk/queue/manual_entry", "ASIN or address", "B0000000Z9", "Use this ASIN"),
            ("/desk/asins", "One line per product", "x y", "Set ASINs"),
            (product_path(product_id), "UPC or EAN", "1", "Save product"),
            (product_path(product_id), "ASIN or UPC of the product to keep", "unknown", "Find"),
        ):
            page.goto(address)
            page.get_by_label(re.compile(f"^{label}")).fill(typed)
            page.get_by_role("button", name=button).click()
            page.wait_for_function("document.title.startsWith('Mistake') || document.querySelector('.notice.problem')")
            assert accessibility_mistakes(page) == [], (address, typed)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, address
