"""A real Chromium for the tests: that of an npm package on x86-64 Linux, elsewhere the browser of Playwright."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, expect, sync_playwright

from local import ROOT
from local.npm import NODE
from tests.clients import PASSWORD
from tests.sellers import Seller

_PACKAGE: Final = ROOT / "node_modules" / "@sparticuz" / "chromium"
_UNPACK: Final = (
    "import chromium from '@sparticuz/chromium'; chromium.setGraphicsMode = false; await chromium.executablePath();"
)


_AXE: Final = ROOT / "node_modules" / "axe-core" / "axe.min.js"
_VIOLATIONS: Final = (
    "axe.run().then(found => found.violations.map(rule => [rule.id, ...rule.nodes.map(node => node.html)]))"
)
_SMALL_TARGETS: Final = (
    "axe.run({runOnly: ['target-size']})"
    ".then(found => found.violations.flatMap(rule => rule.nodes.map(node => node.html)))"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless Chromium inside the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_executable())
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def clean_page(browser: Browser, url: str, *, refusals: int = 0) -> Iterator[Page]:
    """Open a page of a new profile. Any console message, page error or foreign request fails the test at the end.

    `refusals` is the number of answers with the status 422, which Chromium mentions in the console.
    """
    complaints: list[str] = []
    with browser.new_context(base_url=url) as context:
        fresh = context.new_page()
        fresh.on("console", lambda message: complaints.append(message.text))
        fresh.on("pageerror", lambda error: complaints.append(str(error)))
        fresh.on("request", lambda request: complaints.append(request.url) if url not in request.url else None)
        yield fresh
    expected = ["Failed to load resource: the server responded with a status of 422 (UNPROCESSABLE ENTITY)"] * refusals
    assert complaints == expected, complaints


def accessibility_mistakes(page: Page) -> list[list[str]]:
    """Return what axe finds on the page: the name of each violated rule, and the elements that violate it."""
    return list(_asks_axe(page, _VIOLATIONS))


def small_targets(page: Page) -> list[str]:
    """Return the elements that are too small to be clicked (WCAG 2.2, 2.5.8)."""
    return list(_asks_axe(page, _SMALL_TARGETS))


def _asks_axe(page: Page, question: str) -> Any:  # noqa: ANN401 - what the question returns
    page.evaluate(_AXE.read_text("utf-8"))
    return page.evaluate(question)


def signs_in(page: Page, seller: Seller) -> None:
    """Sign in as `seller` with the keyboard, and wait for the first page."""
    page.goto("/")
    page.get_by_label("E-mail address").fill(seller.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Work", exact=True)).to_be_visible()


def _executable() -> Path | None:
    """Return the unpacked Chromium, or None if there is no package for this machine."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return None
    version = json.loads((_PACKAGE / "package.json").read_text())["version"]
    unpacked = ROOT / ".local" / f"chromium-{version}"
    if not unpacked.exists():
        _unpack(unpacked)
    return unpacked / "chromium"


def _unpack(target: Path) -> None:
    """Unpack the package's binary. The rename at the end prevents a half-written file."""
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="chromium-") as folder:
        unpacked = Path(folder) / "unpacked"
        unpacked.mkdir()
        command = [str(NODE), "--input-type=module", "--eval", _UNPACK]
        environment = {"PATH": os.defpath, "TMPDIR": str(unpacked)}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=60)  # noqa: S603 - our own command
        if not target.exists():  # another test run may have created it meanwhile
            unpacked.rename(target)
