"""What the pictures show: each page of the desk in each state."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import httpx
from playwright.sync_api import Page

from local.application import AppServer
from local.supabase import SupabaseServer
from tests.mailbox import link_to

Who = Literal["seller", "newcomer", "operator", "nobody"]
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


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture: its file name, who looks, the path, what is done there first, and which server is down.

    `is_busy`: the picture shows a request in progress.
    """

    name: str
    who: Who
    path: str
    act: Step | None = None
    down: Literal["", "redis", "database"] = ""
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Ids in the demo catalogue that the scenes need."""

    undecided: str
    found: str
    found_asin: str
    deal: str


def read_catalogue(app: AppServer, token: str) -> Catalogue:
    """Choose products of the demo seller, always the same ones."""
    with httpx.Client(base_url=app.url, headers={"Authorization": f"Bearer {token}"}) as http:

        def first(status: str) -> dict[str, Any]:
            deal: dict[str, Any] = http.get("/products", params={"asin_status": status}).json()["items"][0]
            return deal

        found = first("asin_found")
        return Catalogue(
            undecided=first("needs_selection")["product"]["id"],
            found=found["product"]["id"],
            found_asin=found["product"]["asin"],
            deal=found["id"],
        )


def scenes(catalogue: Catalogue, supabase: SupabaseServer) -> list[Scene]:
    """Return all scenes: products before they are changed by others, and servers that are down last."""
    last = Scene("password-new", "nobody", "/forgot-password", _opens_link(supabase))  # it signs in
    pages = [*_signing_in(), *_products(catalogue), *_work(), *_deals(), *_files(), *_operations()]
    return [*pages, *_errors(), last, *_outages()]


def _signing_in() -> list[Scene]:
    return [
        Scene("sign-in", "nobody", "/sign-in"),
        Scene("sign-in-refused", "nobody", "/sign-in", _sends(email="demo@asin-desk.example", password="wrong")),
        Scene("sign-up", "nobody", "/sign-up"),
        Scene("sign-up-refused", "nobody", "/sign-up", _sends(email="new@example.com", password="short")),
        Scene("password-forgotten", "nobody", "/forgot-password"),
        Scene("mail-sent", "nobody", "/forgot-password", _sends(email="somebody@example.com")),
        Scene("address-confirmed", "nobody", "/confirm?type=signup&token_hash=0123456789"),
        Scene("link-expired", "nobody", "/confirm"),
        Scene("account", "seller", "/account"),
        Scene("account-refused", "seller", "/account", _sends(current="wrong", password="short")),
    ]


def _work() -> list[Scene]:
    queue = "/desk/queue/"
    return [
        Scene("work", "seller", "/"),
        Scene("work-empty", "newcomer", "/"),
        Scene("keyboard-help", "seller", "/", _presses("?")),
        Scene("queue-selection", "seller", f"{queue}needs_selection"),
        Scene(
            "queue-chosen",
            "seller",
            f"{queue}needs_selection",
            _clicks("main .candidates form button, main .candidates button"),
        ),
        Scene("queue-asin", "seller", f"{queue}needs_asin"),
        Scene("queue-manual", "seller", f"{queue}manual_entry"),
        Scene("queue-refused", "seller", f"{queue}manual_entry", _sends(asin="x")),
        Scene("queue-empty", "newcomer", f"{queue}needs_selection"),
        Scene("pasted-asins", "seller", "/desk/asins"),
        Scene("pasted-asins-refused", "seller", "/desk/asins", _sends(lines="one two\nB000000001")),
        Scene("look-up-result", "seller", "/desk/candidates"),
        Scene("remembered-answers", "seller", "/desk/matches"),
        Scene("remembered-answers-empty", "newcomer", "/desk/matches"),
    ]


def _deals() -> list[Scene]:
    return [
        Scene("deals", "seller", "/deals"),
        Scene("deals-filtered", "seller", "/deals?asin_status=needs_asin&favorite=true"),
        Scene("deals-search", "seller", "/deals?search=lamp"),
        Scene("deals-drawer", "seller", "/deals", _clicks("main .product > a")),
        Scene("deals-cell-refused", "seller", "/deals", _types_wrong_cost),
        Scene("deals-selected", "seller", "/deals", _ticks_three),
        Scene("deals-nothing-found", "seller", "/deals?search=zzzzz"),
        Scene("deals-empty", "newcomer", "/deals"),
        Scene("deals-deleted", "seller", "/deals", _deletes_three),
        Scene("deals-all-that-match", "seller", "/deals/matching?do=move&to=ordered"),
        Scene("trash", "seller", "/trash"),
        Scene("trash-delete-for-good", "seller", "/trash", _deletes_for_good),
        Scene("trash-empty", "newcomer", "/trash"),
    ]


def _products(catalogue: Catalogue) -> list[Scene]:
    found, undecided = (f"/desk/products/{product}" for product in (catalogue.found, catalogue.undecided))
    return [
        Scene("product", "seller", found),
        Scene("product-candidates", "seller", undecided),
        Scene("product-refused", "seller", found, _sends(upc="123")),
        Scene("product-new", "seller", "/desk/products/new"),
        Scene("product-new-refused", "seller", "/desk/products/new", _sends(upc="123")),
        Scene("merge", "seller", f"{undecided}/merge?into={catalogue.found_asin}"),
        Scene("deal", "seller", f"/desk/deals/{catalogue.deal}"),
    ]


def _files() -> list[Scene]:
    return [
        Scene("import", "seller", "/desk/import"),
        Scene("import-columns", "seller", "/desk/import", _uploads),
        Scene("import-preview", "seller", "/desk/import", _previews),
        Scene("import-report", "seller", "/desk/import", _imports),
        Scene("import-running", "newcomer", "/desk/import", _starts_long_import, is_busy=True),
        Scene("import-stopped", "newcomer", "/desk/import", _stops_long_import, is_busy=True),
        Scene("deals-matching-running", "newcomer", "/deals/matching?do=favorite", _starts_action, is_busy=True),
    ]


def _operations() -> list[Scene]:
    pages = ("", "/entries", "/redis", "/flush")
    shown = [Scene(f"operations{page.replace('/', '-')}", "operator", f"/operations{page}") for page in pages]
    return [*shown, Scene("operations-refused", "seller", "/operations")]


def _errors() -> list[Scene]:
    return [
        Scene("problems", "nobody", "/problems"),
        Scene("api", "nobody", "/docs"),
        Scene("not-found", "seller", "/desk/nothing-here"),
    ]


def _outages() -> list[Scene]:
    return [
        Scene("work-without-redis", "seller", "/", down="redis"),
        Scene("operations-without-redis", "operator", "/operations", down="redis"),
        Scene("deals-without-database", "seller", "/deals", down="database"),
    ]


def _sends(**fields: str) -> Step:
    """Return a step that fills the form with these fields, and sends it."""

    def send(page: Page) -> None:
        for name, text in fields.items():
            page.locator(f"main [name={name}]:not([type=hidden])").first.fill(text)
        last = page.locator(f"main [name={next(reversed(fields))}]:not([type=hidden])").first
        with page.expect_navigation():
            last.evaluate(_SUBMIT)

    return send


def _ticks_three(page: Page) -> None:
    for number in range(3):
        page.locator("main input[name=deal_ids]").nth(number).check()


def _deletes_three(page: Page) -> None:
    page.evaluate("sessionStorage.clear()")  # the selection of an earlier scene
    page.reload()
    _ticks_three(page)
    _clicks("main button[name=action][value=delete]")(page)


def _deletes_for_good(page: Page) -> None:
    page.locator("main input[name=deal_ids]").first.check()
    _clicks("main .bulk button.danger")(page)


def _presses(key: str) -> Step:
    return lambda page: page.keyboard.press(key)


def _clicks(selector: str) -> Step:
    """Return a step that clicks the first visible element."""

    def click(page: Page) -> None:
        page.locator(selector).locator("visible=true").first.click()
        page.wait_for_load_state("networkidle")

    return click


def _types_wrong_cost(page: Page) -> None:
    page.locator("main [data-cell=buy_cost] .value").first.click()
    page.keyboard.type("cheap")
    page.keyboard.press("Enter")
    page.locator("main .cell-note").first.wait_for()


def _opens_link(supabase: SupabaseServer) -> Step:
    """Return a step that asks for a link, and opens the one of the e-mail."""

    def open_link(page: Page) -> None:
        page.goto("/forgot-password")
        _sends(email=_FORGETFUL)(page)
        page.goto(link_to(supabase, _FORGETFUL))
        with page.expect_navigation():
            page.locator("main form button").first.click()

    return open_link


def _uploads(page: Page, text: str = "") -> None:
    content = (text or _LIST.format(next(_numbers))).encode()
    page.locator("main input[type=file]").set_input_files({"name": "acme.csv", "mimeType": "", "buffer": content})
    page.locator("main form:has(input[type=file]) button").first.click()
    page.locator("form[data-import]").wait_for()


def _previews(page: Page) -> None:
    _uploads(page)
    page.locator("[name=dry_run]").check()
    _starts_import(page)
    page.locator("[data-total=created]").wait_for()


def _imports(page: Page) -> None:
    _uploads(page)
    _starts_import(page)
    page.locator("[data-total=created]").wait_for()


def _starts_import(page: Page) -> None:
    page.locator("form[data-import] button.primary").click()


def _starts_long_import(page: Page) -> None:
    _uploads(page, _LONG_LIST)
    _starts_import(page)
    page.get_by_text("rows processed").first.wait_for(timeout=60_000)


def _stops_long_import(page: Page) -> None:
    _starts_long_import(page)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("link", name="See what was imported").wait_for()


def _starts_action(page: Page) -> None:
    page.locator("main form button").first.click()
    page.get_by_text("deals are done").first.wait_for()
