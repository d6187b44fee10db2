"""A user without a mouse: each control is reached by Tab or by its key."""

from typing import Final

from playwright.sync_api import Locator, Page, expect

_MOST_TABS: Final = 60


def presses(page: Page, *keys: str) -> None:
    """Press keys one after the other, when the script of the page listens."""
    expect(page.locator("body")).to_have_class("keyed")
    for key in keys:
        page.keyboard.press(key)


def goes(page: Page, letter: str, heading: str) -> None:
    """Go to a place with `g` and its letter."""
    presses(page, "g", letter)
    sees(page, heading)


def sees(page: Page, heading: str) -> None:
    """Wait for a heading."""
    expect(page.get_by_role("heading", name=heading, exact=True).first).to_be_visible()


def _has_focus(control: Locator) -> bool:
    return bool(control.evaluate("(control) => control === document.activeElement"))


def tabs_to(page: Page, control: Locator) -> None:
    """Press Tab until the control has the focus."""
    expect(control).to_be_visible()
    for _ in range(_MOST_TABS):
        if _has_focus(control):
            return
        page.keyboard.press("Tab")
    expect(control).to_be_focused()


def activates(page: Page, control: Locator) -> None:
    """Press Enter on a button or a link."""
    tabs_to(page, control)
    page.keyboard.press("Enter")


def is_told(page: Page, text: str) -> None:
    """Check the notice. It is in the live region, and the focus is on something."""
    expect(page.locator("#notices[role=status]")).to_contain_text(text)
    assert page.evaluate("document.activeElement !== document.body")
