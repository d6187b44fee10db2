"""The list over a slow network in a real Chromium: the page says that it works, and nothing happens twice."""

from typing import Final

from playwright.sync_api import Page, expect

from tests.sellers import Seller

_LATENCY: Final = 700
"""Milliseconds that Chromium adds to each request, besides a speed of 50 kB a second in both directions."""


def _is_slow(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": _LATENCY, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
    session.send("Network.emulateNetworkConditions", slow)


def _opens_list(page: Page, seller: Seller) -> None:
    """Open a list of three deals, and make the network slow."""
    for title in ("Lamp", "Desk", "Chair"):
        seller.creates(title=title)
    page.goto("/deals?sort=title")
    _is_slow(page)


def test_a_cell_shows_that_it_is_being_saved_and_the_next_one_can_be_filled_in(page: Page, seller: Seller) -> None:
    """Both values arrive, although the second is sent before the first is answered."""
    _opens_list(page, seller)
    row = page.get_by_role("row", name="Chair")
    row.locator("[data-cell=moq]").click()
    page.keyboard.type("12")
    page.keyboard.press("Tab")
    expect(row.locator("[data-cell=moq]")).to_contain_class("saving")
    page.get_by_label("Stage: Chair").select_option("ordered")
    expect(row.locator(".saving")).to_have_count(0)
    expect(row.locator("[data-cell=stage]")).to_have_text("Ordered")
    deal = seller.lists(search="chair")[0]
    assert (deal["moq"], deal["stage"]) == (12, "ordered")


def test_a_second_press_does_not_act_twice(page: Page, seller: Seller) -> None:
    """The bar of the page says that the first one is on its way. One Undo takes it back."""
    _opens_list(page, seller)
    page.get_by_label("Select all on this page").check()
    delete = page.get_by_role("button", name="Delete", exact=True)
    delete.dblclick()
    expect(page.locator("html:has(.htmx-request)")).to_be_visible()
    expect(page.locator("#notices")).to_contain_text("3 deals deleted.")
    assert seller.lists() == []
    page.get_by_role("button", name="Undo").dblclick()
    expect(page.locator("#notices")).to_contain_text("Undone. 3 deals are as before.")
    assert len(seller.lists()) == 3
