"""A new seller gives the products of a supplier's file their ASINs, in a real Chromium and with the keyboard."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from local.application import AppServer
from tests.barcodes import upc
from tests.browser import chromium, signs_in
from tests.sellers import Seller

_WITH_ASIN: Final = 230
_SEVERAL: Final = 30
_ONE: Final = 15
_NONE: Final = 15
_TITLES: Final = 10
_WITH_UPC: Final = _SEVERAL + _ONE + _NONE
_ROWS: Final = _WITH_ASIN + _WITH_UPC + _TITLES
_STATUSES: Final = ("all", "asin_found", "needs_selection", "needs_asin", "manual_entry")


@pytest.fixture
def page(server: AppServer, seller: Seller) -> Iterator[Page]:
    """Return a page on which the seller is signed in."""
    with chromium() as browser, browser.new_context(base_url=server.url) as context:
        fresh = context.new_page()
        signs_in(fresh, seller)
        yield fresh


def _number(place: int) -> str:
    return upc(place, length=12)


def _asin(kind: str, place: int) -> str:
    return f"B0{kind}{place:07d}"


def _supplier_file(folder: Path) -> Path:
    """Write the supplier's list: some rows have an ASIN, some a UPC, some only a title."""
    rows = [f"{_asin('A', place)},,Article {place},Acme,{place}.50" for place in range(_WITH_ASIN)]
    rows += [f",{_number(place)},Box {place},Acme,{place}.25" for place in range(_WITH_UPC)]
    rows += [f",,Title {place},Acme,{place}.75" for place in range(_TITLES)]
    return _written(folder / "supplier.csv", "ASIN,UPC,Title,Supplier,Cost", rows)


def _look_up_file(folder: Path) -> Path:
    """Write the look-up result. For Box 0, the best candidate is the ASIN of Article 7: the two are the same."""
    rows = [f"{_number(place)},{_asin(kind, place)},Box {place}" for place in range(_SEVERAL) for kind in "BC"]
    rows[0] = f"{_number(0)},{_asin('A', 7)},Box 0"
    rows += [f"{_number(place)},{_asin('B', place)},Box {place}" for place in range(_SEVERAL, _SEVERAL + _ONE)]
    rows += [f"{_number(place)},," for place in range(_SEVERAL + _ONE, _WITH_UPC)]
    return _written(folder / "look-up.csv", "UPC,ASIN,Title", rows)


def _written(file: Path, header: str, rows: list[str]) -> Path:
    file.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return file


def _uploads(page: Page, path: str, file: Path, button: str) -> None:
    page.goto(path)
    page.get_by_label("CSV file").set_input_files(file)
    if button == "Import":
        page.get_by_role("button", name="Continue").press("Enter")
    page.get_by_role("button", name=button, exact=True).press("Enter")
    expect(page.get_by_role("heading", name="processed")).to_be_visible()


def _shows(page: Page, numbers: dict[str, int]) -> None:
    """Check the tiles of this page."""
    for status in _STATUSES:
        expect(page.locator(f"[data-status={status}]")).to_have_text(str(numbers[status]))


def _is_ready(page: Page) -> None:
    """Wait until the page is complete and its script listens to keys."""
    expect(page.locator("body")).to_have_class("keyed")


def _press(page: Page, key: str) -> None:
    _is_ready(page)
    page.keyboard.press(key)


def _title(page: Page) -> str:
    _is_ready(page)
    return page.locator("#subject-title").inner_text()


def _moves(numbers: dict[str, int], **by: int) -> None:
    for status, change in by.items():
        numbers[status] += change


def _selects_all(page: Page, numbers: dict[str, int]) -> None:
    """Choose the first candidate of each product, and merge Box 0. Undo one choice, and make it again."""
    page.goto("/desk/queue/needs_selection")
    undone = False
    for _ in range(_SEVERAL + 1):
        before, title = dict(numbers), _title(page)
        _press(page, "1")
        if title == "Box 0":
            page.get_by_role("link", name="Compare and merge them").press("Enter")
            expect(page.get_by_role("button", name="Merge into “Article 7”")).to_be_focused()
            page.keyboard.press("Enter")
            _moves(numbers, needs_selection=-1, all=-1)
        else:
            _moves(numbers, needs_selection=-1, asin_found=1)
        _shows(page, numbers)
        if not undone and title != "Box 0":
            _press(page, "u")
            numbers.update(before)
            _shows(page, numbers)
            assert _title(page) == title
            undone = True


def _enters_all(page: Page, numbers: dict[str, int], status: str, kind: str) -> None:
    """Choose the only candidate where there is one, and type an ASIN where there is none."""
    page.goto(f"/desk/queue/{status}")
    for place in range(numbers[status]):
        _is_ready(page)
        if page.get_by_role("button", name="Choose").count():
            _press(page, "1")
        else:
            expect(page.get_by_label("ASIN or address of the listing")).to_be_focused()
            page.keyboard.type(_asin(kind, place))
            page.keyboard.press("Enter")
        _moves(numbers, **{status: -1, "asin_found": 1})
        _shows(page, numbers)
    expect(page.get_by_text("Nothing is waiting here")).to_be_visible()


def test_a_suppliers_file_is_worked_to_zero_and_needs_no_decision_again(
    page: Page, seller: Seller, tmp_path: Path
) -> None:
    """Import, look-up result, three queues by keyboard, one merge, one undo, export, and the same import again.

    The tiles are right after every step.
    """
    supplier, look_up = _supplier_file(tmp_path), _look_up_file(tmp_path)
    counts = (_ROWS, _WITH_ASIN, 0, _WITH_UPC, _TITLES)
    numbers = dict(zip(_STATUSES, counts, strict=True))
    _uploads(page, "/desk/import", supplier, "Import")
    page.goto("/")
    _shows(page, numbers)
    _uploads(page, "/desk/candidates", look_up, "Upload")
    _moves(numbers, needs_selection=_SEVERAL, needs_asin=-_SEVERAL)
    page.goto("/")
    _shows(page, numbers)
    _selects_all(page, numbers)
    _enters_all(page, numbers, "needs_asin", "D")
    _enters_all(page, numbers, "manual_entry", "E")
    assert numbers == {"all": _ROWS - 1, "asin_found": _ROWS - 1} | dict.fromkeys(_STATUSES[2:], 0)
    exported = list(csv.DictReader(io.StringIO(seller.exports().decode("utf-8-sig"))))
    assert len({row["ASIN"] for row in exported} - {""}) == len(exported) == _ROWS - 1
    for path, file, button in (("/desk/import", supplier, "Import"), ("/desk/candidates", look_up, "Upload")):
        _uploads(page, path, file, button)
        page.goto("/")
        _shows(page, numbers)
