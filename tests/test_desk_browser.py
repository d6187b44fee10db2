"""The desk in a real Chromium, from sign-in to sign-out."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from redis import Redis

from local.application import AppServer
from tests.browser import clean_page, signs_in
from tests.clients import PASSWORD
from tests.sellers import Seller


@pytest.fixture
def page(browser: Browser, server: AppServer) -> Iterator[Page]:
    """Return a page of a new profile. Any console message, page error or foreign request fails the test."""
    with clean_page(browser, server.url) as fresh:
        yield fresh


def _expect_numbers(page: Page, **numbers: int) -> None:
    for status, number in numbers.items():
        expect(page.locator(f"[data-status={status}]")).to_have_text(str(number))


def test_a_seller_adds_a_product_and_sees_the_number_change(page: Page, seller: Seller, redis: Redis) -> None:
    """The numbers come from the database first. Then they come from Redis, also after the change."""
    seller.creates(title="Was here before", upc="12345670")
    redis.delete(seller.key)
    signs_in(page, seller)
    page.get_by_text("Updated just now").click()
    expect(page.get_by_text("Fresh from the database")).to_be_visible()
    _expect_numbers(page, all=1, needs_asin=1, asin_found=0)
    page.reload()
    page.get_by_text("Updated just now").press("Enter")
    expect(page.get_by_text("From Redis")).to_be_visible()

    page.get_by_role("link", name="Add product").click()
    page.get_by_label("Title").fill("Desk lamp")
    page.get_by_label("ASIN", exact=True).fill("b000000001")
    page.get_by_role("button", name="Add product").click()
    expect(page.get_by_role("status").first).to_contain_text("“Desk lamp” was added. Status: ASIN found.")
    _expect_numbers(page, all=2, needs_asin=1, asin_found=1)


def test_a_seller_deletes_undoes_moves_and_signs_out(page: Page, seller: Seller) -> None:
    """The buttons of a row, the actions for selected rows, the filter cards, and sign-out."""
    for title in ("Alpha", "Beta", "Gamma"):
        seller.creates(title=title)
    signs_in(page, seller)
    page.get_by_role("link", name="Deals", exact=True).click()
    page.get_by_role("button", name="Delete: Beta").click()
    expect(page.get_by_role("rowheader", name="Beta")).to_have_count(0)
    _expect_numbers(page, all=2)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("rowheader", name="Beta")).to_be_visible()
    _expect_numbers(page, all=3)

    page.get_by_label("Select all on this page").check()
    page.get_by_role("checkbox", name="Gamma").uncheck()
    bar = page.get_by_role("group", name="Change the selected deals")
    expect(bar.get_by_text("2 selected")).to_be_visible()
    page.get_by_label("Stage to move to").select_option("ordered")
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_text("2 deals moved to Ordered.")).to_be_visible()
    page.get_by_role("search").get_by_label("Stage").select_option("ordered")
    expect(page.get_by_role("rowheader")).to_have_count(2)
    page.get_by_role("link", name="Manual entry").click()
    expect(page.get_by_role("rowheader")).to_have_count(3)

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_seller_imports_a_file_and_sees_the_number_change(page: Page, seller: Seller) -> None:
    """The file is chosen in the browser's dialogue, rejected rows are listed, and the list can be exported."""
    seller.creates(title="Was here before", upc="12345670")
    signs_in(page, seller)
    page.get_by_role("link", name="Import", exact=True).click()
    content = b"ASIN,Title\nB000000001,Lamp\nB0,Bad\n"
    page.get_by_label("Excel or CSV file").set_input_files(
        {"name": "list.csv", "mimeType": "text/csv", "buffer": content}
    )
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("[data-total=created]")).to_have_text("1")
    expect(page.get_by_text("1 row: line 3")).to_be_visible()
    page.get_by_role("link", name="Work", exact=True).click()
    _expect_numbers(page, all=2, asin_found=1, needs_asin=1)
    page.get_by_role("link", name="Deals", exact=True).click()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Export", exact=True).click()
    assert downloading.value.suggested_filename.startswith("asin-desk-")


def test_an_unknown_path_is_a_page_with_a_link_to_the_first_page(browser: Browser, server: AppServer) -> None:
    """It has a heading, works by keyboard on a phone's screen, and its own policy allows its style and icon."""
    complaints: list[str] = []
    with browser.new_context(base_url=server.url, viewport={"width": 360, "height": 640}) as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.goto("/desk/nope")
        expect(page).to_have_title("Page not found · ASIN Desk")
        expect(page.get_by_role("main").get_by_role("heading", level=1)).to_have_text("Page not found")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.evaluate("getComputedStyle(document.querySelector('.panel')).display") == "grid"
        assert all("404" in complaint for complaint in complaints), complaints  # the 404 of the page itself is logged
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.get_by_role("link", name="Go to Work").press("Enter")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("width", [320, 800, 1280])
def test_no_page_scrolls_horizontally(page: Page, seller: Seller, width: int) -> None:
    """Long words and many columns fit on a phone, a tablet and a desktop."""
    seller.creates(title="W" * 300, supplier="S" * 200, upc="12345678901231", asin="B000000001", buy_cost="999999.99")
    page.set_viewport_size({"width": width, "height": 800})
    signs_in(page, seller)
    for address in ("/", "/deals"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_the_desk_is_usable_by_keyboard(page: Page, seller: Seller) -> None:
    """Sign in, skip to the content, open the add form and submit it without a mouse."""
    page.goto("/sign-in")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.get_by_label("E-mail address").focus()
    page.keyboard.type(seller.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Add product").press("Enter")
    page.get_by_label("Title").press("x")
    page.keyboard.press("Enter")
    _expect_numbers(page, manual_entry=1)
