"""Measure the desk in a real Chromium: bytes over the wire, first paint, and the time until a changed cell is saved.

Run it with `python -m benchmarks desk`. The change of a cell and the change by the form of the deal are measured
alternately, so that a slower machine affects both. The figure of the aim is the ratio.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from playwright.sync_api import Browser, CDPSession, Page

from benchmarks.report import table, write_results
from local.application import AppServer
from local.stack import Stack
from tests.browser import chromium, signs_in
from tests.sellers import Seller, app_environment, new_seller

ROUNDS: Final = 11
DEALS: Final = 200
MOST_FIRST: Final = 150
"""Maximum size of the first view in kB: the page of the list with its scripts and styles, compressed, with headers."""
MOST_NEXT: Final = 20
"""Maximum size of each later view in kB: the browser has the scripts and styles."""

_PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_LIST: Final = "/deals?sort=title"


def main() -> None:
    """Measure, print the tables and write the results."""
    with running() as (browser, server, seller):
        sizes, paint = measure_views(browser, server, seller)
        changes = measure_changes(browser, server, seller)
    measured = {"sizes": sizes, "paint": paint, "changes": changes}
    print(f"desk\n\n{show_views(measured)}\n\n{show_changes(measured)}\n", flush=True)
    write_results("desk", measured)


def show_views(measured: dict[str, Any]) -> str:
    """Return the table of the sizes of the views, and the time of the first paint."""
    aims = {"first view": MOST_FIRST}
    rows = [[name, size, aims.get(name, MOST_NEXT)] for name, size in measured["sizes"].items()]
    shown = table(["list of 50 deals", "kB over the wire", "aim: at most"], rows)
    return f"{shown}\n\nThe first contentful paint of the first view was after {measured['paint']:.0f} ms (median)."


def show_changes(measured: dict[str, Any]) -> str:
    """Return the table of the times from the Enter key to the saved state."""
    cell, form = measured["changes"]
    return table(["MOQ changed in its cell, ms", "by the form of the deal, ms", "ratio"], [[cell, form, form / cell]])


@contextmanager
def running() -> Iterator[tuple[Browser, AppServer, Seller]]:
    """Run a browser and the app, with a seller who has `DEALS` deals."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Stack(Path(directory)) as stack,
        AppServer(app_environment(stack), workers=2, log=Path(directory) / "gunicorn.log") as server,
        new_seller(stack.supabase, server.url) as seller,
        chromium() as browser,
    ):
        rows = "".join(f"Walnut desk lamp {n:04},Brand {n % 50},Supplier {n % 97},{n}.50\n" for n in range(DEALS))
        seller.imports(f"Title,Brand,Supplier,Cost\n{rows}")
        yield browser, server, seller


def measure_views(browser: Browser, server: AppServer, seller: Seller) -> tuple[dict[str, float], float]:
    """Return the size in kB of the first view and of later ones, and the median of the first paint in ms."""
    paints, sizes = list[float](), dict[str, float]()
    for _ in range(ROUNDS):
        with browser.new_context(base_url=server.url) as context:
            page = context.new_page()
            signs_in(page, seller)
            devtools = context.new_cdp_session(page)
            devtools.send("Network.enable")
            devtools.send("Network.clearBrowserCache")
            sizes["first view"] = _kilobytes(page, devtools, lambda page: page.goto(_LIST))
            paints.append(float(page.evaluate(_PAINT)))
            sizes["the same view again"] = _kilobytes(page, devtools, lambda page: page.goto(_LIST))
            sizes["next page"] = _kilobytes(page, devtools, _next_page)
    return sizes, median(paints)


def _next_page(page: Page) -> None:
    page.get_by_role("link", name="Next page").click()
    page.get_by_text("51\N{EN DASH}100 of").first.wait_for()


def _kilobytes(page: Page, devtools: CDPSession, view: Callable[[Page], object]) -> float:
    """Return the kB that the browser receives while `view` runs, with the headers of the answers."""
    received = list[float]()

    def count(event: dict[str, Any]) -> None:
        received.append(event["encodedDataLength"])

    devtools.on("Network.loadingFinished", count)
    view(page)
    page.wait_for_load_state("networkidle")
    devtools.remove_listener("Network.loadingFinished", count)
    return sum(received) / 1000


def measure_changes(browser: Browser, server: AppServer, seller: Seller) -> tuple[float, float]:
    """Return the median times in ms of a change in the cell and of one by the form, from the key to the saved state."""
    deal = seller.lists(sort="title")[0]
    times: tuple[list[float], list[float]] = ([], [])
    with browser.new_context(base_url=server.url) as context:
        page = context.new_page()
        signs_in(page, seller)
        for number in range(1, ROUNDS + 1):
            times[0].append(_cell_time(page, 2 * number))
            times[1].append(_form_time(page, deal["id"], 2 * number + 1))
    return median(times[0]), median(times[1])


def _cell_time(page: Page, moq: int) -> float:
    page.goto(_LIST)
    cell = page.locator("[data-cell=moq]").first
    cell.click()
    page.keyboard.type(str(moq))
    return _milliseconds(page, lambda: page.locator("[data-cell=moq].saved").wait_for())


def _form_time(page: Page, deal_id: str, moq: int) -> float:
    """Return the time until the list shows the change again: without cells, that is where the user goes on."""
    page.goto(f"/desk/deals/{deal_id}")
    page.get_by_label("Minimum order quantity").fill(str(moq))

    def saved() -> None:
        page.get_by_text("The deal was saved.").wait_for()
        page.goto(_LIST)

    return _milliseconds(page, saved)


def _milliseconds(page: Page, until: Callable[[], object]) -> float:
    started = time.perf_counter()
    page.keyboard.press("Enter")
    until()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
