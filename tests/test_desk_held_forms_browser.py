"""Each form of the desk in a real Chromium: the session ends or the database stops, and nothing typed is lost."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from local.processes import wait_until
from local.stack import Stack
from tests.clients import PASSWORD
from tests.mailbox import new_address
from tests.sellers import Seller

_UPC = "012345678905"
_ADDRESS = new_address()


@dataclass(frozen=True, slots=True)
class Form:
    """A form: the path of its page, what to type into each input, its button, and what the page says after saving."""

    path: str
    typed: dict[str, str]
    button: str
    saved: str


_FORMS = {
    "new product": Form("/desk/products/new", {"Title": "Brass lamp"}, "Add product", "“Brass lamp” was added."),
    "product": Form("/desk/products/{product_id}", {"Brand": "Acme & Sons"}, "Save product", "Saved."),
    "deal": Form("/desk/deals/{id}", {"Notes": "calls on\nMonday"}, "Save", "Saved."),
    "note": Form("/desk/products/{product_id}", {"Note for the deal: no supplier": "calls"}, "Add note", "The note"),
    "queue": Form("/desk/queue/needs_asin", {"ASIN or address": "B08N5WRWNW"}, "Use this ASIN", "B08N5WRWNW"),
    "pasted ASINs": Form("/desk/asins", {"One line per product": f"{_UPC} B08N5WRWNW"}, "Set ASINs", "1 of 1 lines"),
    "e-mail address": Form(
        "/account", {"New e-mail address": _ADDRESS}, "Change e-mail address", "e-mails are on their way"
    ),
}


@pytest.fixture
def deal(seller: Seller) -> dict[str, Any]:
    """Return a deal whose product has a UPC and no ASIN."""
    return seller.creates(title="Lamp", upc=_UPC)


def _fills_in(page: Page, form: Form, deal: dict[str, Any]) -> None:
    page.goto(form.path.format(**deal))
    if form.button == "Add note":
        page.get_by_text("Add a note").click()
    for label, text in form.typed.items():
        page.get_by_label(label).fill(text)


def _signs_out_in_another_tab(page: Page) -> None:
    other = page.context.new_page()
    other.goto("/trash")
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_text("You are signed out.")).to_be_visible()


def _signs_in_again(page: Page, seller: Seller) -> None:
    page.get_by_label("E-mail address").fill(seller.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def _shows_what_was_typed(page: Page, form: Form) -> None:
    for text in form.typed.values():
        expect(page.get_by_role("region", name="What you entered")).to_contain_text(text.split("\n")[-1])


def _saves_by_retry(page: Page, form: Form) -> bool:
    """Press Retry, and return whether the form was saved."""
    with page.expect_navigation():
        page.get_by_role("button", name="Retry").click()
    return page.get_by_text(form.saved).first.is_visible()


@pytest.mark.parametrize("name", _FORMS)
def test_the_session_ends_while_a_form_is_filled_in(
    refused_page: Page, seller: Seller, deal: dict[str, Any], name: str
) -> None:
    """After signing in again one button sends it."""
    form = _FORMS[name]
    _fills_in(refused_page, form, deal)
    _signs_out_in_another_tab(refused_page)
    refused_page.get_by_role("button", name=form.button, exact=True).click()
    expect(refused_page.get_by_text("What you entered is kept")).to_be_visible()
    _signs_in_again(refused_page, seller)
    _shows_what_was_typed(refused_page, form)
    refused_page.get_by_role("button", name="Send again").click()
    expect(refused_page.get_by_text(form.saved).first).to_be_visible()


@pytest.mark.parametrize("name", _FORMS)
def test_the_database_stops_while_a_form_is_filled_in(
    refused_page: Page, stack: Stack, deal: dict[str, Any], name: str
) -> None:
    """The page shows what was typed. Retry sends it when the database answers again."""
    form = _FORMS[name]
    _fills_in(refused_page, form, deal)
    stack.supabase.pause()
    try:
        refused_page.get_by_role("button", name=form.button, exact=True).click()
        expect(refused_page.get_by_role("heading", name="cannot reach its data")).to_be_visible(timeout=30_000)
    finally:
        stack.supabase.resume()
    _shows_what_was_typed(refused_page, form)
    assert wait_until(lambda: _saves_by_retry(refused_page, form), seconds=60)


def test_the_session_ends_while_a_file_is_chosen(refused_page: Page, seller: Seller) -> None:
    """A file cannot be kept. The page says so, and signing in leads back to the page of the import."""
    refused_page.goto("/desk/import")
    _signs_out_in_another_tab(refused_page)
    refused_page.locator("input[type=file]").set_input_files(
        {"name": "a.csv", "mimeType": "text/csv", "buffer": b"title\nLamp\n"}
    )
    refused_page.get_by_role("button", name="Continue").click()
    expect(refused_page.get_by_text("Nothing was saved. Please sign in again.")).to_be_visible()
    _signs_in_again(refused_page, seller)
    expect(refused_page).to_have_url(re.compile(r"/desk/import$"))
