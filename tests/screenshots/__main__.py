"""Start the local stack with the demo catalogue, and write a picture of each scene to docs/screenshots/."""

import contextlib
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect
from werkzeug.exceptions import NotFound

from config import Settings
from local import ROOT
from local.application import AppServer
from local.demo import Accounts, Login, create_demo, sign_in, sign_up
from local.stack import Stack
from tests.browser import chromium
from tests.screenshots.camera import VARIANTS, Variant, opened, take, variants_of
from tests.screenshots.scenes import Scene, read_catalogue, scenes
from tests.sellers import STATS, app_environment, running_app

_FOLDER: Final = ROOT / "docs" / "screenshots"
_README_PICTURE: Final = ROOT / "docs" / "desk.png"
_SHOWN_IN_README: Final = "work"
_NEWCOMER: Final = Login("new@asin-desk.example", "a-password-of-the-newcomer")
_NO_PAGES: Final = {
    "desk.numbers",
    "desk.choose_columns",
    "desk.import_report",
    "desk.new_password",
    "desk.rejected_file",
    "desk.asset_file",
    "desk.export_deals",
    "desk.favicon",
    "desk.operations_figures",
    "desk.problem_kind",
}
"""Views that answer with something else than a page, and pages that need more than a visit."""
_MEASURED_SECONDS: Final = 12
"""Seconds of reads before the pictures, so that the operators' chart is not empty."""


def main() -> None:
    """Take all pictures, and replace the previous ones."""
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder) / "stack", bcrypt_cost=4) as stack:
        accounts = create_demo(stack.supabase, Path(folder) / "passwords.json")
        sign_up(stack.supabase, _NEWCOMER)
        environment = app_environment(stack)
        with AppServer(environment, workers=2, log=Path(folder) / "app.log") as app, chromium() as browser:
            token = sign_in(stack.supabase, accounts.demo)
            found = scenes(read_catalogue(app, token), stack.supabase)
            _take_all(found, _Studio(stack, app, browser, accounts))
    _write_index(found)
    for rule in _without_picture(found):
        sys.stdout.write(f"No picture shows {rule}\n")


def _without_picture(found: list[Scene]) -> list[str]:
    """Return the addresses of pages that no scene shows."""
    with running_app(
        Settings.model_validate({"secret_key": "k" * 32, "supabase_url": "http://x", "supabase_key": "k"})
    ) as app:
        adapter, shown = app.url_map.bind("localhost"), set()
        for scene in found:
            with contextlib.suppress(NotFound):
                shown.add(adapter.match(scene.path.partition("?")[0])[0])
        pages = [
            rule
            for rule in app.url_map.iter_rules()
            if rule.endpoint.startswith("desk.") and "GET" in (rule.methods or ())
        ]
    return sorted(rule.rule for rule in pages if rule.endpoint not in shown | _NO_PAGES)


class _Studio:
    """The running servers, and one open page for each variant and each account."""

    def __init__(self, stack: Stack, app: AppServer, browser: Browser, accounts: Accounts) -> None:
        self.stack, self.app, self.browser = stack, app, browser
        self.logins = {"seller": accounts.demo, "operator": accounts.operator, "newcomer": _NEWCOMER}
        self.pages: dict[tuple[str, str], Page] = {}

    def open_pages(self, stack: ExitStack) -> None:
        """Open all pages and sign in."""
        for variant in VARIANTS:
            for who in (*self.logins, "nobody"):
                page = stack.enter_context(opened(self.browser, self.app.url, variant))
                self.pages[who, variant.name] = page
                if who in self.logins:
                    _sign_in(page, self.logins[who])

    def be_measured(self) -> None:
        """Read the numbers for some seconds, as many sellers would."""
        page = self.pages["seller", VARIANTS[0].name]
        for number in range(5 * _MEASURED_SECONDS):
            for _ in range(3 + number % 17):
                page.request.get(STATS)
            page.wait_for_timeout(100)

    def stop(self, server: str) -> None:
        """Stop a server, if it still runs."""
        stopped = {"redis": self.stack.redis, "database": self.stack.supabase}.get(server)
        if stopped and stopped.is_running():
            stopped.stop()


def _take_all(found: list[Scene], studio: _Studio) -> None:
    _FOLDER.mkdir(exist_ok=True)
    for old in _FOLDER.glob("*.webp"):
        old.unlink()
    with ExitStack() as stack:
        studio.open_pages(stack)
        studio.be_measured()
        for scene in found:
            studio.stop(scene.down)
            for variant in variants_of(scene.name):
                _take(scene, variant, studio.pages[scene.who, variant.name])
            sys.stdout.write(f"{scene.name}\n")


def _take(scene: Scene, variant: Variant, page: Page) -> None:
    page.goto(scene.path)
    if scene.act:
        scene.act(page)
    take(page, variant, _FOLDER / f"{scene.name}-{variant.name}.webp", is_busy=scene.is_busy)
    if (scene.name, variant) == (_SHOWN_IN_README, VARIANTS[0]):
        page.screenshot(path=_README_PICTURE)


def _sign_in(page: Page, login: Login) -> None:
    page.goto("/sign-in")
    page.get_by_label("E-mail address").fill(login.email)
    page.get_by_label("Password", exact=True).fill(login.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Work", exact=True)).to_be_visible()


def _write_index(found: list[Scene]) -> None:
    """Write a page with all pictures."""
    heads = [variant.name for variant in VARIANTS]
    lines = ["# Pictures of the desk", "", "`make screenshots` writes this page and the pictures.", ""]
    lines += [f"| scene | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for scene in found:
        taken = {variant.name for variant in variants_of(scene.name)}
        pictures = (f"![{scene.name}, {head}]({scene.name}-{head}.webp)" if head in taken else "" for head in heads)
        lines.append(f"| {scene.name} | {' | '.join(pictures)} |")
    (_FOLDER / "README.md").write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
