"""Dates in the language and the time zone of the browser, in a real Chromium."""

import pytest
from playwright.sync_api import Browser, expect

from local.application import AppServer
from local.stack import Stack
from tests.browser import signs_in
from tests.desk_pages import CANDIDATES, creates_with_candidates, product_path
from tests.sellers import Seller


@pytest.fixture
def product(seller: Seller, stack: Stack) -> str:
    """Return the path of a product with a decision, both made on 31 December 2025 at 23:30 UTC."""
    product_id = creates_with_candidates(seller)
    answer = seller.http.post(f"/products/{product_id}/asin", json={"asin": CANDIDATES[0]})
    assert answer.status_code == 200, answer.text
    for statement in (
        "update deciding.decisions set made_at = '2025-12-31T23:30:00Z' where user_id = $1",
        "update public.deals set created_at = '2025-12-31T23:30:00Z' where user_id = $1",
    ):
        stack.supabase.sql(statement, seller.id)
    return product_path(product_id)


@pytest.mark.parametrize(
    ("locale", "zone", "script", "shown"),
    [
        ("de-DE", "Asia/Tokyo", True, ["01.01.2026", "01.01.2026, 08:30"]),
        ("en-US", "America/New_York", True, ["Dec 31, 2025", "Dec 31, 2025, 6:30\N{NARROW NO-BREAK SPACE}PM"]),
        ("de-DE", "Asia/Tokyo", False, ["31 Dec 2025", "31 Dec 2025, 23:30 UTC"]),
    ],
)
def test_dates_are_those_of_the_browser(  # noqa: PLR0913 - a browser has a locale and a zone
    browser: Browser,
    server: AppServer,
    seller: Seller,
    product: str,
    *,
    locale: str,
    zone: str,
    script: bool,
    shown: list[str],
) -> None:
    """Without JavaScript they are in UTC, and a time of day says so."""
    with browser.new_context(
        base_url=server.url, locale=locale, timezone_id=zone, java_script_enabled=script
    ) as context:
        page = context.new_page()
        signs_in(page, seller)
        page.goto(product)
        for text in shown:
            expect(page.get_by_text(text, exact=True)).to_be_visible()


@pytest.mark.usefixtures("product")
def test_dates_that_are_loaded_later_are_those_of_the_browser_too(
    browser: Browser, server: AppServer, seller: Seller
) -> None:
    """The drawer of a product is added to a page that is open already."""
    with browser.new_context(base_url=server.url, locale="de-DE", timezone_id="Asia/Tokyo") as context:
        page = context.new_page()
        signs_in(page, seller)
        page.goto("/deals")
        page.locator("#list .product > a").first.click()
        expect(page.get_by_role("dialog").get_by_text("01.01.2026", exact=True)).to_be_visible()
