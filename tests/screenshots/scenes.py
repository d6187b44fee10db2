"""What the pictures show: each page of the desk in each state."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import httpx
from playwright.sync_api import Page

from local.application import AppServer

Who = Literal["seller", "newcomer", "operator", "nobody"]
Step = Callable[[Page], object]

_LIST: Final = (
    b"Title,UPC,Supplier,Cost,MOQ,Colour\n"
    b"Brass desk lamp,012345678905,Acme Trading,14.20,12,brass\n"
    b"Walnut pen tray,036000291452,Acme Trading,6.75,24,brown\n"
    b"Linen notebook,,North Paper,3.10,50,grey\n"
    b"Desk mat,12345,North Paper,abc,10,black\n"
)


_SUBMIT: Final = """field => {
    field.form.noValidate = true;
    field.form.requestSubmit(field.form.querySelector('button:not([formaction])'));
}"""


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture: its file name, who looks, the path, what is done there first, and which server is down."""

    name: str
    who: Who
    path: str
    act: Step | None = None
    down: Literal["", "redis", "database"] = ""


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


def scenes(catalogue: Catalogue) -> list[Scene]:
    """Return all scenes: products before they are changed by others, and servers that are down last."""
    return [*_signing_in(), *_products(catalogue), *_work(), *_deals(), *_files(), *_operations(), *_errors()]


def _signing_in() -> list[Scene]:
    return [
        Scene("sign-in", "nobody", "/sign-in"),
        Scene("sign-in-refused", "nobody", "/sign-in", _sends(email="demo@asin-desk.example", password="wrong")),
        Scene("sign-up", "nobody", "/sign-up"),
        Scene("sign-up-refused", "nobody", "/sign-up", _sends(email="new@example.com", password="short")),
        Scene("password-forgotten", "nobody", "/forgot-password"),
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
        Scene("import-checked", "seller", "/desk/import", _uploads),
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


def _uploads(page: Page) -> None:
    page.locator("main input[type=file]").set_input_files({"name": "acme.csv", "mimeType": "text/csv", "buffer": _LIST})
    page.locator("main form:has(input[type=file]) button").first.click()
    page.wait_for_load_state("networkidle")
