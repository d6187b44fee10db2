"""The import in a real Chromium: drop, map, try, import with progress, cancel, go on, report and undo."""

import csv
import io
import re
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from local.application import AppServer
from tests.browser import accessibility_mistakes, signs_in
from tests.importing.workbooks import page as sheet
from tests.importing.workbooks import workbook
from tests.sellers import Seller

_LIST: Final = b"Bezeichnung,Cost,Stage\nLamp,2.50,New\n=Chair,3,Lost\nDesk,x,\n"
_DROP: Final = """
(zone, text) => {
  const data = new DataTransfer();
  data.items.add(new File([text], "dropped.csv", {type: "text/csv"}));
  const options = {dataTransfer: data, bubbles: true, cancelable: true};
  for (const name of ["dragenter", "dragover", "drop"]) zone.dispatchEvent(new DragEvent(name, options));
}
"""


def _chooses(page: Page, content: bytes, name: str = "list.csv") -> None:
    """Choose a file, and go on to its columns."""
    page.goto("/desk/import")
    page.get_by_label("Excel or CSV file").set_input_files({"name": name, "mimeType": "", "buffer": content})
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="How the columns are read")).to_be_visible()


def _imports(page: Page) -> None:
    page.get_by_role("button", name="Import", exact=True).click()


def _shows_total(page: Page, name: str, number: int) -> None:
    expect(page.locator(f"[data-total={name}]")).to_have_text(f"{number:,}")


def test_a_dropped_file_is_mapped_tried_and_imported(page: Page, seller: Seller) -> None:
    """The choice of a column is remembered for the next file with the same header."""
    page.goto("/desk/import")
    page.locator("[data-drop]").evaluate(_DROP, _LIST.decode())
    expect(page.get_by_role("heading", name="dropped.csv")).to_be_visible()
    page.get_by_label("Bezeichnung is imported as").select_option("Title")
    page.get_by_label("Preview only. Don't save anything.").check()
    _imports(page)
    expect(page.get_by_text("Preview. Nothing has been saved.")).to_be_visible()
    _shows_total(page, "created", 1)
    assert seller.stats()["all"] == 0
    _imports(page)
    expect(page.get_by_text("Imported. 2 rows need fixing.")).to_be_visible()
    expect(page.get_by_text("Stage: Unknown stage. Use New, Researching")).to_be_visible()
    assert [item["product"]["title"] for item in seller.lists()] == ["Lamp"]
    _chooses(page, _LIST)
    expect(page.get_by_label("Bezeichnung is imported as")).to_have_value("title")


def test_the_rejected_rows_come_back_as_a_file_to_correct(page: Page, seller: Seller) -> None:
    """With all their cells. Corrected, they are imported."""
    _chooses(page, _LIST.replace(b"Bezeichnung", b"Title"))
    _imports(page)
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download these rows").click()
    text = downloading.value.path().read_text("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[:3] for row in rows] == [["Title", "Cost", "Stage"], ["'=Chair", "3", "Lost"], ["Desk", "x", ""]]
    _chooses(page, text.replace("Lost", "New").replace("x,", "9,").encode(), "rejected-rows.csv")
    _imports(page)
    expect(page.get_by_text("Imported.", exact=True)).to_be_visible()
    assert {item["product"]["title"] for item in seller.lists()} == {"Lamp", "=Chair", "Desk"}


def test_the_sheet_and_the_header_of_a_workbook_are_chosen_at_once(page: Page, seller: Seller) -> None:
    """Another choice shows another table without a button."""
    content = workbook(sheet([["Title"], ["Lamp"]], "Lamps"), sheet([["Prices"], ["Item"], ["Chair"]], "Chairs"))
    _chooses(page, content, "list.xlsx")
    expect(page.get_by_role("cell", name="Lamp", exact=True)).to_be_visible()
    page.get_by_label("Sheet").select_option("Chairs")
    expect(page.get_by_role("cell", name="Chair", exact=True)).to_be_visible()
    page.get_by_label("Row with the column names").select_option(label="Row 1: Prices")
    expect(page.get_by_label("Prices is imported as")).to_have_value("")
    page.get_by_label("Row with the column names").select_option(label="Row 2: Item")
    expect(page.get_by_label("Item is imported as")).to_have_value("title")
    _imports(page)
    _shows_total(page, "created", 1)
    assert [item["product"]["title"] for item in seller.lists()] == ["Chair"]


def test_a_cancelled_import_says_where_it_stopped_and_goes_on(page: Page, seller: Seller) -> None:
    """The rows that were processed stay. The report of the part can be undone."""
    rows = 20_000
    _chooses(page, b"Title\n" + b"".join(b"Lamp %d\n" % number for number in range(rows)))
    _imports(page)
    progress = page.get_by_role("status").filter(has_text=re.compile(f"of {rows:,} rows processed"))
    expect(progress).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Cancel").click()
    stopped = page.get_by_role("status").filter(has_text="Cancelled.")
    expect(stopped).to_contain_text("rows were processed. Going on is safe")
    expect(page.get_by_role("button", name="Go on")).to_be_focused()
    page.get_by_role("link", name="See what was imported").click()
    expect(page.get_by_text("The import was stopped.")).to_be_visible()
    assert 0 < seller.stats()["all"] < rows
    page.get_by_role("link", name="Change the columns").click()
    expect(page.get_by_text("The last import of this file stopped after")).to_be_visible()


def test_a_lost_connection_offers_to_go_on(browser: Browser, server: AppServer, seller: Seller) -> None:
    """And the page goes on when it is back. The browser's console mentions the lost connection."""
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        signs_in(page, seller)
        _chooses(page, b"Title\nLamp\n")

        def fails(route: Route) -> None:
            if route.request.method == "POST":
                route.abort()
            else:
                route.continue_()

        page.route("**/desk/import/*", fails)
        _imports(page)
        expect(page.get_by_role("status").filter(has_text="The connection was lost.")).to_be_visible()
        page.unroute("**/desk/import/*")
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text("Imported.", exact=True)).to_be_visible()


def test_everything_works_without_javascript(browser: Browser, server: AppServer, seller: Seller) -> None:
    """One form for each step."""
    seller.creates(title="Lamp", buy_cost="2.00")
    with browser.new_context(base_url=server.url, java_script_enabled=False) as context:
        page = context.new_page()
        signs_in(page, seller)
        _chooses(page, b"Sheet of Acme\nTitle,Cost\nLamp,3\nDesk,1\n")
        page.get_by_label("Row with the column names").select_option(label="Row 2: Title, Cost")
        page.get_by_role("button", name="Show this table").click()
        page.get_by_label("Preview only. Don't save anything.").check()
        _imports(page)
        expect(page.get_by_text("Preview. Nothing has been saved.")).to_be_visible()
        _imports(page)
        expect(page.get_by_text("Buy cost: 2.00 → 3.00")).to_be_visible()
        page.get_by_role("button", name="Undo this import").click()
        expect(page.get_by_text("This import was undone.")).to_be_visible()
    assert [(item["product"]["title"], item["buy_cost"]) for item in seller.lists()] == [("Lamp", "2.00")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_step_has_an_accessibility_mistake(page: Page, seller: Seller, scheme: str) -> None:
    """As axe finds them, on a desktop and at a width of 320 px, where nothing needs sideways scrolling."""
    seller.creates(title="Lamp", buy_cost="1.00")
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    found = {}
    header = ["Title", "Cost", "Stage", "A long name of a column that nobody needs"]
    table = sheet([header, ["Lamp", 2, "New", "x" * 90], ["Desk", 3, "Lost", ""]], "A long name of a sheet")
    _chooses(page, workbook(table, sheet([["Title"]], "B")), "a-supplier-with-a-very-long-file-name.xlsx")
    steps = [page.url, f"{page.url}/report"]
    _imports(page)
    _shows_total(page, "updated", 1)
    for address in ("/desk/import", *steps):
        for width in (1280, 320):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(address)
            found[address, width] = accessibility_mistakes(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    assert {where: mistakes for where, mistakes in found.items() if mistakes} == {}
