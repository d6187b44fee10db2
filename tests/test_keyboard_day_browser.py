"""A seller's whole day in a real Chromium with the keyboard alone: no mouse, and no address after the first one."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from local.application import AppServer
from tests.barcodes import upc
from tests.browser import clean_page
from tests.clients import PASSWORD
from tests.keyboard import activates, goes, is_told, presses, sees, tabs_to
from tests.sellers import Seller

_UPCS: Final = [upc(place, length=12) for place in range(3)]
_LIST: Final = "\n".join(
    [
        "Titel,UPC,ASIN,Supplier,Cost,Stage",
        f"Box 0,{_UPCS[0]},,Acme,1.00,New",
        f"Box 1,{_UPCS[1]},,Acme,2.00,New",
        f"Box 2,{_UPCS[2]},,Acme,3.00,New",
        "Bare title,,,Acme,4.00,New",
        "Lamp,,B0AAAAAAA1,Zenith,5.00,New",
        "Chair,,B0AAAAAAA2,Zenith,6.00,Lost",
    ]
)
_LOOK_UP: Final = f"UPC,ASIN,Title\n{_UPCS[0]},B0BBBBBBB1,Box\n{_UPCS[0]},B0BBBBBBB2,Box of two\n"


@pytest.fixture
def page(browser: Browser, server: AppServer) -> Iterator[Page]:
    """Return the page for signing in. Any console message, page error or foreign request fails the test."""
    with clean_page(browser, server.url, refusals=1) as fresh:
        fresh.goto("/")
        yield fresh


def _signs_in(page: Page, seller: Seller) -> None:
    tabs_to(page, page.get_by_label("E-mail address"))
    page.keyboard.type(seller.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    sees(page, "Work")


def _chooses_file(page: Page, label: str, file: Path) -> None:
    tabs_to(page, page.get_by_label(label))
    with page.expect_file_chooser() as choosing:
        page.keyboard.press("Space")
    choosing.value.set_files(file)


def _imports(page: Page, file: Path) -> None:
    """Choose a file, correct a column, look at the preview, import it, and read why a row was not accepted."""
    goes(page, "i", "Import a file")
    _chooses_file(page, "Excel or CSV file", file)
    activates(page, page.get_by_role("button", name="Continue"))
    sees(page, "How the columns are read")
    tabs_to(page, page.get_by_label("Titel is imported as"))
    page.keyboard.type("Title")
    expect(page.get_by_label("Titel is imported as")).to_have_value("title")
    tabs_to(page, page.get_by_label("Preview only"))
    page.keyboard.press("Space")
    activates(page, page.get_by_role("button", name="Import", exact=True))
    expect(page.get_by_text("Preview. Nothing has been saved.")).to_be_visible()
    activates(page, page.get_by_role("button", name="Import", exact=True))
    expect(page.get_by_text("Imported. 1 row needs fixing.")).to_be_visible()
    expect(page.get_by_text("Stage: Unknown stage.")).to_be_visible()


def _uploads_candidates(page: Page, file: Path) -> None:
    goes(page, "w", "Work")
    activates(page, page.get_by_role("link", name="Upload a look-up result"))
    _chooses_file(page, "CSV file", file)
    activates(page, page.get_by_role("button", name="Upload", exact=True))
    expect(page.get_by_role("heading", name="processed")).to_be_visible()


def _works_queues(page: Page, seller: Seller) -> None:
    """Choose a listing, take it back and choose again; then type the ASINs of the other products."""
    goes(page, "w", "Work")
    activates(page, page.get_by_role("link", name="Choose listings"))
    sees(page, "Needs selection")
    presses(page, "2")
    sees(page, "Nothing is waiting here")
    presses(page, "u")
    expect(page.get_by_role("button", name="Choose B0BBBBBBB1")).to_be_visible()
    presses(page, "1")
    sees(page, "Nothing is waiting here")
    for status, number in (("Needs ASIN", 2), ("Manual entry", 1)):
        activates(page, page.get_by_role("link", name=f"{status}: {number}"))
        sees(page, status)
        for place in range(number):
            expect(page.get_by_label("ASIN or address of the listing")).to_be_focused()
            page.keyboard.type(f"B0CCCC{status[0]}00{place}")
            with page.expect_navigation():
                page.keyboard.press("Enter")
        sees(page, "Nothing is waiting here")
    assert seller.stats() == {"all": 5, "asin_found": 5, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}


def _row(page: Page, title: str) -> Locator:
    return page.get_by_role("row", name=title)


def _stages(seller: Seller) -> set[str]:
    return {deal["stage"] for deal in seller.lists()}


def _moves_a_selection(page: Page, seller: Seller) -> None:
    """Search, select a range, move it to another stage, take that back, and move it again."""
    goes(page, "d", "Deals")
    presses(page, "/")
    page.keyboard.type("box")
    page.keyboard.press("Enter")
    expect(page.locator("[data-results]")).to_have_text("3 deals")
    expect(_row(page, "Box 0").get_by_role("link")).to_be_focused()
    presses(page, "x", "j", "j", "Shift+x")
    _moves_to_ordered(page, seller)
    presses(page, "u")
    is_told(page, "Undone. 3 deals are as before.")
    assert _stages(seller) == {"new"}
    presses(page, "x", "k", "x", "k", "x")
    _moves_to_ordered(page, seller)


def _moves_to_ordered(page: Page, seller: Seller) -> None:
    expect(page.get_by_text("3 selected").last).to_be_visible()
    presses(page, "m")
    page.keyboard.type("Ordered")
    activates(page, page.get_by_role("button", name="Move", exact=True))
    is_told(page, "3 deals moved to Ordered.")
    assert _stages(seller) == {"ordered", "new"}


def _changes_cells(page: Page, seller: Seller) -> None:
    """Type a cost that is refused, and correct it. Mark the deal as a favorite."""
    goes(page, "d", "Deals")
    presses(page, "j")
    title = page.evaluate("document.activeElement.textContent")
    presses(page, "e")
    for label in ("ASIN", "Supplier", "Buy cost"):
        editor = page.get_by_role("textbox", name=f"{label}: {title}")
        expect(editor).to_be_focused()
        if label != "Buy cost":
            page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("cheap")
    page.keyboard.press("Enter")
    expect(_row(page, title).get_by_role("alert")).to_be_visible()
    expect(editor).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("7.25")
    page.keyboard.press("Enter")
    expect(_row(page, title)).to_contain_text("$7.25")
    presses(page, "s")
    expect(page.get_by_role("button", name=f"Favorite: {title}")).to_have_attribute("aria-pressed", "true")
    changed = next(deal for deal in seller.lists() if deal["product"]["title"] == title)
    assert (changed["buy_cost"], changed["favorite"]) == ("7.25", True)


def _opens_a_drawer(page: Page) -> None:
    """Escape closes it; the focus and the position of the page are as before."""
    goes(page, "d", "Deals")
    presses(page, "j", "j")
    title, position = page.evaluate("[document.activeElement.textContent, scrollY]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=title)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("[document.activeElement.textContent, scrollY]") == [title, position]


def _deletes_and_restores(page: Page, seller: Seller) -> None:
    presses(page, "#")
    is_told(page, "1 deal deleted.")
    assert len(seller.lists()) == 4
    goes(page, "t", "Trash")
    activates(page, page.get_by_role("button", name="Restore: "))
    sees(page, "Trash")
    expect(page.get_by_text("The trash is empty.")).to_be_visible()
    assert len(seller.lists()) == 5


def _exports(page: Page) -> None:
    goes(page, "i", "Import a file")
    link = page.get_by_role("link", name="Export all deals")
    tabs_to(page, link)
    with page.expect_download() as downloading:
        page.keyboard.press("Enter")
    rows = csv.DictReader(io.StringIO(downloading.value.path().read_text("utf-8-sig")))
    assert len([row for row in rows if row["ASIN"]]) == 5


def _changes_the_currency(page: Page) -> None:
    goes(page, "a", "Account")
    tabs_to(page, page.get_by_label("Show amounts in"))
    page.keyboard.type("EUR")
    activates(page, page.get_by_role("button", name="Save currency"))
    expect(page.locator("#notices")).to_contain_text("EUR")
    goes(page, "d", "Deals")
    expect(page.get_by_text("€7.25")).to_be_visible()


def test_a_sellers_day_needs_no_mouse(page: Page, seller: Seller, tmp_path: Path) -> None:
    """Sign in, import, queues, list, trash, export, account, sign out: each control is reached by Tab or by its key."""
    (tmp_path / "list.csv").write_text(_LIST, "utf-8")
    (tmp_path / "look-up.csv").write_text(_LOOK_UP, "utf-8")
    _signs_in(page, seller)
    presses(page, "?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    _imports(page, tmp_path / "list.csv")
    _uploads_candidates(page, tmp_path / "look-up.csv")
    _works_queues(page, seller)
    _moves_a_selection(page, seller)
    _changes_cells(page, seller)
    _opens_a_drawer(page)
    _deletes_and_restores(page, seller)
    _exports(page)
    _changes_the_currency(page)
    activates(page, page.get_by_role("button", name="Sign out"))
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
