"""What is done on a page before its picture is taken."""

import itertools
from collections.abc import Callable
from typing import Final

from playwright.sync_api import Page

from local.supabase import SupabaseServer
from tests.mailbox import link_to

Step = Callable[[Page], object]

_LIST: Final = """Title,UPC,Supplier,Cost,MOQ,Colour
Brass desk lamp,012345678905,Acme Trading {0},14.20,12,brass
Walnut pen tray,036000291452,Acme Trading {0},6.75,24,brown
Linen notebook,,North Paper,3.1{0},50,grey
Desk mat,12345,North Paper,abc,10,black
"""
_LONG_LIST: Final = "Title\n" + "".join(f"Lamp {number}\n" for number in range(20_000))
_numbers: Final = itertools.count(1)
_FORGETFUL: Final = "new@asin-desk.example"
"""The newcomer, who gets a link for a new password."""

_SUBMIT: Final = """field => {
    field.form.noValidate = true;
    field.form.requestSubmit(field.form.querySelector('button:not([formaction])'));
}"""


def sends(**fields: str) -> Step:
    """Return a step that fills the form with these fields, and sends it."""

    def send(page: Page) -> None:
        for name, text in fields.items():
            page.locator(f"main [name={name}]:not([type=hidden])").first.fill(text)
        last = page.locator(f"main [name={next(reversed(fields))}]:not([type=hidden])").first
        with page.expect_navigation():
            last.evaluate(_SUBMIT)

    return send


def ticks_three(page: Page) -> None:
    """Select the first three deals."""
    for number in range(3):
        page.locator("main input[name=deal_ids]").nth(number).check()


def deletes_three(page: Page) -> None:
    """Delete the first three deals."""
    page.evaluate("sessionStorage.clear()")  # the selection of an earlier scene
    page.reload()
    ticks_three(page)
    clicks("main button[name=action][value=delete]")(page)


def deletes_for_good(page: Page) -> None:
    """Ask whether to delete the first deal of the trash for good."""
    page.locator("main input[name=deal_ids]").first.check()
    clicks("main .bulk button.danger")(page)


def presses(key: str) -> Step:
    """Return a step that presses a key."""
    return lambda page: page.keyboard.press(key)


def clicks(selector: str) -> Step:
    """Return a step that clicks the first visible element."""

    def click(page: Page) -> None:
        page.locator(selector).locator("visible=true").first.click()
        page.wait_for_load_state("networkidle")

    return click


def types_wrong_cost(page: Page) -> None:
    """Type a cost that is refused."""
    page.locator("main [data-cell=buy_cost] .value").first.click()
    page.keyboard.type("cheap")
    page.keyboard.press("Enter")
    page.locator("main .cell-note").first.wait_for()


def opens_link(supabase: SupabaseServer) -> Step:
    """Return a step that asks for a link, and opens the one of the e-mail."""

    def open_link(page: Page) -> None:
        page.goto("/forgot-password")
        sends(email=_FORGETFUL)(page)
        page.goto(link_to(supabase, _FORGETFUL))
        with page.expect_navigation():
            page.locator("main form button").first.click()

    return open_link


def uploads(page: Page, text: str = "") -> None:
    """Choose a file, and go on to its columns."""
    content = (text or _LIST.format(next(_numbers))).encode()
    page.locator("main input[type=file]").set_input_files({"name": "acme.csv", "mimeType": "", "buffer": content})
    page.locator("main form:has(input[type=file]) button").first.click()
    page.locator("form[data-import]").wait_for()


def previews(page: Page) -> None:
    """Look at the preview of an import."""
    uploads(page)
    page.locator("[name=dry_run]").check()
    starts_import(page)
    page.locator("[data-total=created]").wait_for()


def imports(page: Page) -> None:
    """Import a file with one wrong row."""
    uploads(page)
    starts_import(page)
    page.locator("[data-total=created]").wait_for()


def starts_import(page: Page) -> None:
    """Press Import."""
    page.locator("form[data-import] button.primary").click()


def starts_long_import(page: Page) -> None:
    """Import a file that takes a while."""
    uploads(page, _LONG_LIST)
    starts_import(page)
    page.get_by_text("rows processed").first.wait_for(timeout=60_000)


def stops_long_import(page: Page) -> None:
    """Cancel an import after some rows."""
    starts_long_import(page)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("link", name="See what was imported").wait_for()


def starts_action(page: Page) -> None:
    """Start an action on all deals that match."""
    page.locator("main form button").first.click()
    page.get_by_text("deals are done").first.wait_for()
