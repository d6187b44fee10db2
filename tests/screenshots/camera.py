"""Takes pictures of pages in a real Chromium, in three variants, as small WebP files."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Page

_QUALITY: Final = 45
"""WebP quality in percent. Text stays readable, and a picture takes about 25 kB."""


@dataclass(frozen=True, slots=True)
class Variant:
    """How a page is shown: its name in file names, the colour scheme, and the size in CSS pixels.

    Attributes:
        tallest: a longer page is cut off here.

    """

    name: str
    scheme: Literal["light", "dark"]
    width: int
    height: int
    tallest: int


VARIANTS: Final = (
    Variant("light", "light", 1280, 800, 860),
    Variant("dark", "dark", 1280, 800, 860),
    Variant("phone", "light", 390, 844, 1000),
)


def variants_of(name: str) -> tuple[Variant, ...]:
    """Return the variants in which a scene is taken. Long texts, refused forms and empty pages are not taken dark."""
    plain = name in {"api", "problems", "deals-deleted", "trash-delete-for-good"} or name.endswith(
        ("-refused", "-empty", "-found")
    )
    return tuple(variant for variant in VARIANTS if variant.scheme == "light" or not plain)


@contextmanager
def opened(browser: Browser, url: str, variant: Variant) -> Iterator[Page]:
    """Open a page of a new profile that shows the app at `url` in this variant, always in English and UTC."""
    with browser.new_context(
        base_url=url,
        color_scheme=variant.scheme,
        viewport={"width": variant.width, "height": variant.height},
        reduced_motion="reduce",
        locale="en-US",
        timezone_id="UTC",
    ) as context:
        yield context.new_page()


def take(page: Page, variant: Variant, target: Path, *, is_busy: bool = False) -> None:
    """Write a picture of the page to `target`, from its top and without the caret. `is_busy`: wait for no request."""
    if not is_busy:
        page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready.then(() => { document.activeElement?.blur(); scrollTo(0, 0); })")
    # A dialog covers the window only.
    content = page.evaluate("document.querySelector('dialog[open]') ? 0 : document.documentElement.scrollHeight")
    height = min(max(content, variant.height), variant.tallest)
    clip = {"x": 0, "y": 0, "width": variant.width, "height": height, "scale": 1}
    session = page.context.new_cdp_session(page)
    shot = session.send(
        "Page.captureScreenshot",
        {"format": "webp", "quality": _QUALITY, "captureBeyondViewport": True, "clip": clip},
    )
    session.detach()
    target.write_bytes(base64.b64decode(shot["data"]))
