"""The page that shows the OpenAPI document to people, in a real Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from local.application import AppServer
from tests.browser import chromium, clean_page


@pytest.fixture
def page(server: AppServer) -> Iterator[Page]:
    """Return a page. A violation of the CSP, for example, is a console message and fails the test."""
    with chromium() as browser, clean_page(browser, server.url) as fresh:
        yield fresh


def test_the_page_shows_every_operation_and_needs_no_sign_in(page: Page, server: AppServer) -> None:
    """Each opens to its parameters and answers. A model is one click away."""
    page.goto("/docs")
    assert server.url in page.url
    expect(page.get_by_role("heading", name="Products")).to_be_visible()
    operation = page.locator("#create_product")
    parameters, answers = operation.locator("table").first, operation.locator("table").last
    expect(answers).to_be_hidden()
    operation.locator("summary").click()
    expect(parameters).to_contain_text("Idempotency-Key")
    expect(answers).to_contain_text("conflict")
    operation.get_by_role("link", name="NewProduct").click()
    expect(page.locator("#NewProduct")).to_contain_text("multiple_asins")
    documents = page.request.get("/openapi.json").json()["paths"]
    shown = page.locator("details.operation[id*=_], #healthz, #readyz, #metrics").count()
    assert shown == sum(len(item) for item in documents.values())


def test_the_page_fits_on_a_phone(page: Page) -> None:
    """At a width of 390 pixels, nothing makes the page scroll sideways."""
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/docs")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
