"""An action on all deals that match, in a real Chromium: steps without a press, progress, Cancel and Undo."""

from typing import Final

import pytest
from playwright.sync_api import Browser, Page, Route, ViewportSize, expect

from local.application import AppServer
from tests.browser import accessibility_mistakes, signs_in
from tests.desk_pages import without_versions
from tests.sellers import Seller

_MANY: Final = 2_003
_LONG: Final = 30_000
"""Milliseconds to wait for thousands of deals on a busy machine."""
_NARROW: Final[ViewportSize] = {"width": 320, "height": 640}


def _imports(seller: Seller, number: int) -> None:
    seller.imports("title\n" + "\n".join(f"Lamp {line}" for line in range(number)))


def _selects_all(page: Page, path: str = "/deals", *, said: str = f"{_MANY:,} selected") -> None:
    """Select the page, and then all deals that match."""
    page.goto(path)
    offer = page.get_by_role("checkbox", name="that match")
    expect(offer).to_be_hidden()
    page.get_by_label("Select all on this page").check()
    offer.check()
    expect(page.get_by_role("group", name="Change the selected deals")).to_contain_text(said)


def _holds_second_step(page: Page) -> list[Route]:
    """Hold the request of the second step."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if not held and "cursor=" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/deals/matching", hold)
    return held


def test_all_that_match_are_deleted_in_steps_and_come_back_by_one_undo(page: Page, seller: Seller) -> None:
    """The page asks once, the steps follow by themselves, and the list has no selection afterwards."""
    _imports(seller, _MANY)
    before = without_versions(seller)
    _selects_all(page)
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name=f"Delete {_MANY:,} deals").click()
    expect(page.locator("#notices")).to_contain_text(f"{_MANY:,} deals deleted.", timeout=_LONG)
    expect(page.locator("[data-status=all]").first).to_have_text("0")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#notices")).to_contain_text(f"Undone. {_MANY:,} deals are as before.", timeout=_LONG)
    expect(page.get_by_role("group", name="Change the selected deals")).to_be_hidden()
    assert without_versions(seller) == before


def test_cancel_waits_for_the_step_in_progress_and_stops(page: Page, seller: Seller) -> None:
    """The page shows the progress and announces it. What was done can be undone."""
    _imports(seller, _MANY)
    held = _holds_second_step(page)
    _selects_all(page)
    page.get_by_role("button", name="Favorite", exact=True).click()
    with page.expect_request(lambda request: "cursor=" in (request.post_data or "")):
        page.get_by_role("button", name=f"Mark {_MANY:,} deals as favorite").click()
    expect(page.get_by_role("progressbar", name="Progress")).to_have_js_property("value", 1_000)
    expect(page.get_by_role("status").filter(has_text=f"1,000 of {_MANY:,} deals are done.")).to_be_attached()
    expect(page.get_by_role("button", name="Continue")).to_be_hidden()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Cancelling…")).to_be_focused()
    held[0].continue_()
    expect(page.locator("#notices")).to_contain_text("Stopped. 2,000 deals marked as favorite.", timeout=_LONG)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#notices")).to_contain_text("Undone. 2,000 deals are as before.", timeout=_LONG)


def test_a_lost_connection_pauses_and_continue_goes_on(browser: Browser, server: AppServer, seller: Seller) -> None:
    """Continue sends the same step again."""
    _imports(seller, _MANY)
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        signs_in(page, seller)
        held = _holds_second_step(page)
        _selects_all(page, "/deals?search=lamp")
        page.get_by_role("button", name="Delete", exact=True).click()
        with page.expect_request(lambda request: "cursor=" in (request.post_data or "")):
            page.get_by_role("button", name=f"Delete {_MANY:,} deals").click()
        expect(page.get_by_text(f"1,000 of {_MANY:,} deals are done.").last).to_be_visible()
        held[0].abort()
        expect(page.locator("#notices")).to_contain_text("There is no connection.")
        page.get_by_role("button", name="Continue").click()
        expect(page.locator("#notices")).to_contain_text(f"{_MANY:,} deals deleted.", timeout=_LONG)
    assert seller.stats()["all"] == 0


def test_a_page_of_all_deals_offers_no_more(page: Page, seller: Seller) -> None:
    """Unticking a row takes the offer away, and a short list has none."""
    _imports(seller, 51)
    _selects_all(page, said="51 selected")
    page.get_by_role("checkbox", name="Lamp 7", exact=True).uncheck()
    expect(page.get_by_role("checkbox", name="that match")).to_be_hidden()
    expect(page.get_by_role("group", name="Change the selected deals")).to_contain_text("49 selected")
    page.goto("/deals?search=Lamp 7")
    page.get_by_label("Select all on this page").check()
    expect(page.get_by_role("checkbox", name="that match")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_question_and_the_progress_have_no_violation(page: Page, seller: Seller, scheme: str) -> None:
    """As axe finds it, at a width of 320 px, where nothing needs sideways scrolling."""
    _imports(seller, _MANY)
    held = _holds_second_step(page)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size(_NARROW)
    _selects_all(page)
    _is_accessible(page)
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_role("heading", name=f"Move {_MANY:,} deals to New?")).to_be_visible()
    _is_accessible(page)
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    _is_accessible(page)
    assert held


def _is_accessible(page: Page) -> None:
    assert accessibility_mistakes(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == _NARROW["width"]
