"""Cells of the list that are changed in place, in a real Chromium: also against another tab, and over an outage."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from local.application import AppServer
from tests.browser import accessibility_mistakes, signs_in
from tests.proxy import Fault, SupabaseProxy
from tests.sellers import Seller


def _cell(page: Page, title: str, label: str) -> Locator:
    return page.get_by_role("row", name=title).locator(f"[data-label='{label}']")


def _edits(page: Page, title: str, label: str, text: str) -> None:
    _cell(page, title, label).click()
    page.get_by_label(f"{label}: {title}").fill(text)


def _deal(seller: Seller, title: str) -> dict[str, Any]:
    return next(deal for deal in seller.lists() if deal["product"]["title"] == title)


def test_a_row_is_filled_in_by_keyboard_only(page: Page, seller: Seller) -> None:
    """`e` opens the first cell, Tab saves and moves on, Enter saves, Esc gives up. The tiles follow the ASIN."""
    seller.creates(title="Lamp", buy_cost="10.00")
    page.goto("/deals")
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(page.get_by_label("ASIN: Lamp")).to_be_focused()
    page.keyboard.type("b000000001")
    for label, text in (("Supplier", "Acme"), ("Buy cost", "12.5"), ("MOQ", "6")):
        page.keyboard.press("Tab")
        expect(page.get_by_label(f"{label}: Lamp")).to_be_focused()
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(_cell(page, "Lamp", "ASIN")).to_have_text("B000000001")
    expect(_cell(page, "Lamp", "Status")).to_have_text("ASIN found")
    expect(_cell(page, "Lamp", "Buy cost")).to_have_text("$12.50")
    expect(_cell(page, "Lamp", "MOQ")).to_have_text("6")
    expect(page.locator("[data-status=asin_found]")).to_have_text("1", timeout=1_500)
    page.keyboard.press("e")
    page.keyboard.type("77")
    page.keyboard.press("Escape")
    expect(_cell(page, "Lamp", "MOQ")).to_have_text("6")
    deal = _deal(seller, "Lamp")
    assert (deal["product"]["asin"], deal["supplier"], deal["buy_cost"], deal["moq"]) == (
        "B000000001",
        "Acme",
        "12.50",
        6,
    )


def test_stage_and_notes_are_changed_in_place(page: Page, seller: Seller) -> None:
    """A stage is saved when it is chosen, notes when their cell is left. Shift and Enter begin a new line."""
    seller.creates(title="Lamp")
    page.goto("/deals")
    _cell(page, "Lamp", "Stage").click()
    page.get_by_label("Stage: Lamp").select_option("ordered")
    expect(_cell(page, "Lamp", "Stage")).to_have_text("Ordered")
    _cell(page, "Lamp", "Notes").click()
    page.keyboard.type("Called")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Ordered ten")
    page.get_by_role("heading", name="Deals", exact=True).click()
    expect(_cell(page, "Lamp", "Notes")).to_have_text("Called Ordered ten")
    deal = _deal(seller, "Lamp")
    assert (deal["stage"], deal["notes"]) == ("ordered", "Called\nOrdered ten")


def test_a_refused_value_is_kept_with_the_reason_beside_it(refused_page: Page, seller: Seller) -> None:
    """Nothing is saved until it is corrected. Esc shows the stored value again."""
    seller.creates(title="Lamp", buy_cost="10.00")
    seller.creates(title="Chair", asin="B000000001")
    page = refused_page
    page.goto("/deals")
    _edits(page, "Lamp", "Buy cost", "12,50")
    page.keyboard.press("Enter")
    field = page.get_by_label("Buy cost: Lamp")
    expect(_cell(page, "Lamp", "Buy cost").get_by_role("alert")).to_contain_text("at most two decimals, such as 12.50")
    expect(field).to_have_value("12,50")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("12.50")
    field.press("Enter")
    expect(_cell(page, "Lamp", "Buy cost")).to_have_text("$12.50")
    _edits(page, "Lamp", "ASIN", "B000000001")
    page.keyboard.press("Enter")
    expect(_cell(page, "Lamp", "ASIN").get_by_role("alert")).to_contain_text("Another of your products has this ASIN")
    expect(page.get_by_role("link", name="Compare and merge")).to_be_visible()
    page.get_by_label("ASIN: Lamp").press("Escape")
    expect(_cell(page, "Lamp", "ASIN")).to_have_text("—")


def test_a_change_in_another_tab_is_never_overwritten_silently(refused_page: Page, seller: Seller) -> None:
    """The cell says so, and applies one's own value on request. Another field is no conflict."""
    seller.creates(title="Lamp", buy_cost="10.00", moq=1)
    page = refused_page
    page.goto("/deals")
    other = page.context.new_page()
    other.goto("/deals")
    _edits(page, "Lamp", "Buy cost", "12.50")
    _edits(other, "Lamp", "Buy cost", "11.00")
    other.keyboard.press("Enter")
    expect(_cell(other, "Lamp", "Buy cost")).to_have_text("$11.00")
    _edits(other, "Lamp", "MOQ", "5")
    other.keyboard.press("Enter")
    expect(_cell(other, "Lamp", "MOQ")).to_have_text("5")

    page.get_by_label("Buy cost: Lamp").press("Enter")
    note = _cell(page, "Lamp", "Buy cost").get_by_role("alert")
    expect(note).to_contain_text("Changed meanwhile in another tab; yours was “12.50”.")
    assert _deal(seller, "Lamp")["buy_cost"] == "11.00"
    expect(_cell(page, "Lamp", "MOQ")).to_have_text("5")
    note.get_by_role("button", name="Use mine").click()
    expect(_cell(page, "Lamp", "Buy cost")).to_have_text("$12.50")
    _edits(other, "Lamp", "Supplier", "Acme")
    other.keyboard.press("Enter")
    expect(_cell(other, "Lamp", "Supplier")).to_have_text("Acme")
    expect(_cell(other, "Lamp", "Buy cost")).to_have_text("$12.50")


def test_a_deal_that_was_deleted_meanwhile_is_not_changed(refused_page: Page, seller: Seller) -> None:
    """The cell says so, and keeps what was typed."""
    deal = seller.creates(title="Lamp")
    page = refused_page
    page.goto("/deals")
    _edits(page, "Lamp", "MOQ", "5")
    seller.deletes(deal["id"])
    page.keyboard.press("Enter")
    expect(_cell(page, "Lamp", "MOQ").get_by_role("alert")).to_contain_text("This deal has been deleted")
    expect(page.get_by_label("MOQ: Lamp")).to_have_value("5")


def test_an_outage_keeps_what_was_typed_and_retry_saves_it(
    browser: Browser, proxied_app: AppServer, proxy: SupabaseProxy, importer: Seller
) -> None:
    """Also over another page of the list. The database is stopped while the cell is being edited."""
    importer.creates(title="Lamp")
    with browser.new_context(base_url=proxied_app.url) as context:
        page = context.new_page()
        signs_in(page, importer)
        page.goto("/deals")
        _edits(page, "Lamp", "Notes", "A long story")
        proxy.fault = Fault(lambda _: b"", arrives=False)
        page.keyboard.press("Enter")
        note = _cell(page, "Lamp", "Notes").get_by_role("alert")
        expect(note).to_contain_text("Not saved")
        expect(page.get_by_label("Notes: Lamp")).to_have_value("A long story")
        proxy.fault = None
        note.get_by_role("button", name="Retry").click()
        expect(_cell(page, "Lamp", "Notes")).to_have_text("A long story", timeout=15_000)
    assert _deal(importer, "Lamp")["notes"] == "A long story"


def test_an_ended_session_keeps_what_was_typed_until_one_has_signed_in_again(
    refused_page: Page, seller: Seller
) -> None:
    """Retry works in the old tab, with the form token of the new session."""
    seller.creates(title="Lamp")
    page = refused_page
    page.goto("/deals")
    _edits(page, "Lamp", "Supplier", "Acme")
    page.context.clear_cookies()
    page.keyboard.press("Enter")
    note = _cell(page, "Lamp", "Supplier").get_by_role("alert")
    expect(note).to_contain_text("your session has ended")
    with page.context.expect_page() as opening:
        note.get_by_role("link", name="Sign in in a new tab").click()
    signs_in(opening.value, seller)
    note.get_by_role("button", name="Retry").click()
    expect(_cell(page, "Lamp", "Supplier")).to_have_text("Acme")
    assert _deal(seller, "Lamp")["supplier"] == "Acme"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_with_open_cells_is_accessible(refused_page: Page, seller: Seller, scheme: Any) -> None:  # noqa: ANN401 - of Playwright
    """As axe finds it: with a selection, a refused cell and the drawer, on a desktop and at a width of 320 px."""
    seller.creates(title="Lamp", upc="12345670", notes="Called")
    page = refused_page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for width in (1280, 320):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto("/deals")
        page.get_by_role("checkbox", name="Lamp").check()
        _edits(page, "Lamp", "MOQ", "many")
        page.keyboard.press("Enter")
        expect(_cell(page, "Lamp", "MOQ").get_by_role("alert")).to_be_visible()
        assert accessibility_mistakes(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_label("MOQ: Lamp").press("Escape")
        page.get_by_role("link", name="Lamp").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert accessibility_mistakes(page) == []
        page.get_by_role("button", name="Close").click()
