"""What the pictures show: each page of the desk in each state."""

from dataclasses import dataclass
from typing import Any, Literal

import httpx

from local.application import AppServer
from local.supabase import SupabaseServer
from tests.screenshots import steps
from tests.screenshots.steps import Step

Who = Literal["seller", "newcomer", "operator", "nobody"]


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
    last = Scene("password-new", "nobody", "/forgot-password", steps.opens_link(supabase))  # it signs in
    pages = [*_signing_in(), *_products(catalogue), *_work(), *_deals(), *_files(), *_operations()]
    return [*pages, *_errors(), last, *_outages()]


def _signing_in() -> list[Scene]:
    return [
        Scene("sign-in", "nobody", "/sign-in"),
        Scene("sign-in-refused", "nobody", "/sign-in", steps.sends(email="demo@asin-desk.example", password="wrong")),
        Scene("sign-up", "nobody", "/sign-up"),
        Scene("sign-up-refused", "nobody", "/sign-up", steps.sends(email="new@example.com", password="short")),
        Scene("password-forgotten", "nobody", "/forgot-password"),
        Scene("mail-sent", "nobody", "/forgot-password", steps.sends(email="somebody@example.com")),
        Scene("address-confirmed", "nobody", "/confirm?type=signup&token_hash=0123456789"),
        Scene("link-expired", "nobody", "/confirm"),
        Scene("account", "seller", "/account"),
        Scene("account-refused", "seller", "/account", steps.sends(current="wrong", password="short")),
    ]


def _work() -> list[Scene]:
    queue = "/desk/queue/"
    return [
        Scene("work", "seller", "/"),
        Scene("work-empty", "newcomer", "/"),
        Scene("keyboard-help", "seller", "/", steps.presses("?")),
        Scene("queue-selection", "seller", f"{queue}needs_selection"),
        Scene(
            "queue-chosen",
            "seller",
            f"{queue}needs_selection",
            steps.clicks("main .candidates form button, main .candidates button"),
        ),
        Scene("queue-asin", "seller", f"{queue}needs_asin"),
        Scene("queue-manual", "seller", f"{queue}manual_entry"),
        Scene("queue-refused", "seller", f"{queue}manual_entry", steps.sends(asin="x")),
        Scene("queue-empty", "newcomer", f"{queue}needs_selection"),
        Scene("pasted-asins", "seller", "/desk/asins"),
        Scene("pasted-asins-refused", "seller", "/desk/asins", steps.sends(lines="one two\nB000000001")),
        Scene("look-up-result", "seller", "/desk/candidates"),
        Scene("remembered-answers", "seller", "/desk/matches"),
        Scene("remembered-answers-empty", "newcomer", "/desk/matches"),
    ]


def _deals() -> list[Scene]:
    return [
        Scene("deals", "seller", "/deals"),
        Scene("deals-filtered", "seller", "/deals?asin_status=needs_asin&favorite=true"),
        Scene("deals-search", "seller", "/deals?search=lamp"),
        Scene("deals-drawer", "seller", "/deals", steps.clicks("main .product > a")),
        Scene("deals-cell-refused", "seller", "/deals", steps.types_wrong_cost),
        Scene("deals-selected", "seller", "/deals", steps.ticks_three),
        Scene("deals-nothing-found", "seller", "/deals?search=zzzzz"),
        Scene("deals-empty", "newcomer", "/deals"),
        Scene("deals-deleted", "seller", "/deals", steps.deletes_three),
        Scene("deals-all-that-match", "seller", "/deals/matching?do=move&to=ordered"),
        Scene("trash", "seller", "/trash"),
        Scene("trash-delete-for-good", "seller", "/trash", steps.deletes_for_good),
        Scene("trash-empty", "newcomer", "/trash"),
    ]


def _products(catalogue: Catalogue) -> list[Scene]:
    found, undecided = (f"/desk/products/{product}" for product in (catalogue.found, catalogue.undecided))
    return [
        Scene("product", "seller", found),
        Scene("product-candidates", "seller", undecided),
        Scene("product-refused", "seller", found, steps.sends(upc="123")),
        Scene("product-new", "seller", "/desk/products/new"),
        Scene("product-new-refused", "seller", "/desk/products/new", steps.sends(upc="123")),
        Scene("merge", "seller", f"{undecided}/merge?into={catalogue.found_asin}"),
        Scene("deal", "seller", f"/desk/deals/{catalogue.deal}"),
    ]


def _files() -> list[Scene]:
    return [
        Scene("import", "seller", "/desk/import"),
        Scene("import-columns", "seller", "/desk/import", steps.uploads),
        Scene("import-preview", "seller", "/desk/import", steps.previews),
        Scene("import-report", "seller", "/desk/import", steps.imports),
        Scene("import-running", "newcomer", "/desk/import", steps.starts_long_import, is_busy=True),
        Scene("import-stopped", "newcomer", "/desk/import", steps.stops_long_import, is_busy=True),
        Scene("deals-matching-running", "newcomer", "/deals/matching?do=favorite", steps.starts_action, is_busy=True),
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
