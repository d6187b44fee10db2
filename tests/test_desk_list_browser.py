"""The list of deals in a real Chromium: filters, search, selection, and actions without a reload."""

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from local.application import AppServer
from tests.browser import signs_in
from tests.sellers import Seller


def _opens(page: Page, path: str = "/deals") -> None:
    """Open the list, and mark the document, so that a reload is noticed."""
    page.goto(path)
    page.evaluate("window.unloaded = false")


def _was_not_reloaded(page: Page) -> bool:
    return bool(page.evaluate("window.unloaded === false"))


def _shows(page: Page, *titles: str) -> None:
    expect(page.get_by_role("rowheader")).to_have_count(len(titles))
    for place, title in enumerate(titles):
        expect(page.get_by_role("rowheader").nth(place)).to_contain_text(title)


def _bar(page: Page) -> str:
    return page.get_by_role("group", name="Change the selected deals").inner_text()


def test_filters_apply_on_change_and_back_shows_the_previous_ones(page: Page, seller: Seller) -> None:
    """The address has all of them, so that it can be shared. The search field keeps the focus and the caret."""
    seller.creates(title="Oak lamp", stage="ordered", favorite=True)
    seller.creates(title="Oak chair", stage="ordered")
    seller.creates(title="Steel lamp")
    _opens(page)
    page.get_by_role("search").get_by_label("Stage").select_option("ordered")
    _shows(page, "Oak chair", "Oak lamp")
    expect(page).to_have_url("/deals?stage=ordered")
    expect(page.locator("[data-results]")).to_have_text("2 deals")
    page.get_by_label("Search title").press_sequentially("lamp")
    _shows(page, "Oak lamp")
    expect(page.get_by_label("Search title")).to_be_focused()
    assert page.evaluate("document.activeElement.selectionStart") == 4
    expect(page).to_have_url("/deals?search=lamp&stage=ordered")
    page.get_by_role("search").locator("[name=sort]").select_option("title")
    expect(page).to_have_url("/deals?search=lamp&stage=ordered&sort=title")
    assert _was_not_reloaded(page)
    page.go_back()
    page.go_back()
    _shows(page, "Oak chair", "Oak lamp")
    expect(page.get_by_label("Search title")).to_have_value("")


def test_a_newer_search_wins_over_a_slower_older_one(page: Page, seller: Seller) -> None:
    """The older request is aborted, so its answer never replaces the newer one."""
    seller.creates(title="Lamp")
    seller.creates(title="Chair")
    _opens(page)
    held: list[Route] = []
    page.route("**/deals?search=la", lambda route: held.append(route))  # noqa: PLW0108 - not for methods of built-ins
    search = page.get_by_label("Search title")
    with page.expect_request("**/deals?search=la"):
        search.fill("la")
    with page.expect_event("requestfailed", lambda request: request.url.endswith("search=la")):
        search.fill("chair")
    _shows(page, "Chair")
    assert len(held) == 1
    expect(page).to_have_url("/deals?search=chair")


def test_a_star_and_an_order_change_nothing_else_on_the_page(page: Page, seller: Seller) -> None:
    """The focus and the scroll position stay."""
    for number in range(30):
        seller.creates(title=f"Product {number:02}")
    _opens(page, "/deals?sort=title")
    star = page.get_by_role("button", name="Favorite: Product 25")
    star.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    expect(star).to_be_focused()
    assert page.evaluate("scrollY") == before > 0
    page.get_by_role("columnheader", name="Product").get_by_role("link").click()
    expect(page.get_by_role("rowheader").first).to_contain_text("Product 29")
    expect(page.get_by_role("search").locator("[name=sort]")).to_have_value("-title")
    assert _was_not_reloaded(page)


def test_a_deleted_row_comes_back_by_undo_without_a_reload(page: Page, seller: Seller) -> None:
    """The notice is announced, the tiles follow, and the focus goes to the next row."""
    for title in ("Alpha", "Beta", "Gamma"):
        seller.creates(title=title)
    _opens(page, "/deals?sort=title")
    page.get_by_role("button", name="Delete: Beta").click()
    _shows(page, "Alpha", "Gamma")
    expect(page.get_by_role("link", name="Gamma")).to_be_focused()
    expect(page.locator("#notices")).to_contain_text("1 deal deleted.")
    expect(page.locator("[data-status=all]")).to_have_text("2")
    page.get_by_role("button", name="Undo").click()
    _shows(page, "Alpha", "Beta", "Gamma")
    assert _was_not_reloaded(page)


def test_a_selection_by_row_range_and_page_survives_paging(page: Page, seller: Seller) -> None:
    """The bar is there only while something is selected. The action reaches the deals of both pages."""
    for number in range(53):
        seller.creates(title=f"Product {number:02}")
    _opens(page, "/deals?sort=title")
    group = page.get_by_role("group", name="Change the selected deals")
    expect(group).to_be_hidden()
    page.get_by_role("checkbox", name="Product 01").check()
    page.get_by_role("checkbox", name="Product 04").click(modifiers=["Shift"])
    assert "4 selected" in _bar(page)
    expect(page.locator("[data-results]")).to_have_text("1\N{EN DASH}50 of 53")
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("[data-results]")).to_have_text("51\N{EN DASH}53 of 53")
    page.get_by_label("Select all on this page").check()
    assert "7 selected (4 on other pages)" in _bar(page)
    group.get_by_label("Stage to move to").select_option("ordered")
    group.get_by_role("button", name="Move").click()
    expect(page.locator("#notices")).to_contain_text("7 deals moved to Ordered.")
    expect(group).to_be_hidden()
    assert _was_not_reloaded(page)
    assert len(seller.lists(stage="ordered")) == 7


def test_a_selection_belongs_to_its_filters_and_can_be_cleared(page: Page, seller: Seller) -> None:
    """A deal that somebody else deleted is named, restored on request, and no longer selected."""
    ids = [str(seller.creates(title=title)["id"]) for title in ("Alpha", "Beta", "Gamma")]
    _opens(page)
    for title in ("Alpha", "Beta"):
        page.get_by_role("checkbox", name=title).check()
    page.get_by_label("Search title").fill("gamma")
    _shows(page, "Gamma")
    expect(page.get_by_role("group", name="Change the selected deals")).to_be_hidden()
    page.get_by_label("Search title").fill("")
    expect(page.get_by_role("rowheader")).to_have_count(3)
    assert "2 selected" in _bar(page)
    seller.deletes(ids[0])
    page.get_by_role("button", name="Favorite", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("1 of the 2 deals has been deleted")
    assert "1 selected" in _bar(page)
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_role("group", name="Change the selected deals")).to_be_hidden()


def test_the_rows_are_worked_with_single_keys(page: Page, seller: Seller) -> None:
    """Move, select, range, star, delete. The keys are text in the search field."""
    for title in ("Alpha", "Beta", "Gamma", "Delta"):
        seller.creates(title=title)
    _opens(page, "/deals?sort=title")
    page.get_by_label("Search title").press("x")
    page.get_by_label("Search title").press("Backspace")
    page.get_by_role("heading", name="Deals", exact=True).click()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Alpha")).to_be_focused()
    for key in ("x", "j", "j", "Shift+x"):
        page.keyboard.press(key)
    assert "3 selected" in _bar(page)
    page.keyboard.press("s")
    star = page.get_by_role("button", name="Favorite: Delta")
    expect(star).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="Delta").focus()
    page.keyboard.press("#")
    _shows(page, "Alpha", "Beta", "Gamma")
    assert "2 selected" in _bar(page)
    expect(page.get_by_role("link", name="Gamma")).to_be_focused()


def test_the_drawer_shows_the_product_and_gives_the_focus_back(page: Page, seller: Seller) -> None:
    """Its forms stay in the drawer, and the list follows when it is closed."""
    seller.creates(title="Alpha", supplier="Acme")
    _opens(page)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog", name="Alpha")
    expect(drawer.get_by_label("Title")).to_have_value("Alpha")
    drawer.get_by_label("Brand").fill("North")
    drawer.get_by_role("button", name="Save product").click()
    expect(drawer.get_by_role("status")).to_contain_text("“Alpha” was saved.")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(page.get_by_role("rowheader")).to_contain_text("North")
    expect(page.get_by_role("link", name="Alpha")).to_be_focused()
    assert _was_not_reloaded(page)


def test_the_list_works_without_javascript(browser: Browser, server: AppServer, seller: Seller) -> None:
    """Filters by the Apply button, selection, actions and pages by forms and links."""
    for number in range(51):
        seller.creates(title=f"Product {number:02}")
    with browser.new_context(base_url=server.url, java_script_enabled=False) as context:
        page = context.new_page()
        signs_in(page, seller)
        page.goto("/deals?sort=title")
        page.get_by_role("link", name="Next page").click()
        expect(page.locator("[data-results]")).to_have_text("51\N{EN DASH}51 of 51")
        page.get_by_role("checkbox", name="Product 50").check()
        page.get_by_role("button", name="Move").click()
        expect(page.locator("#notices")).to_contain_text("1 deal moved to New.")
        page.get_by_label("Search title").fill("Product 07")
        page.get_by_role("button", name="Apply").click()
        _shows(page, "Product 07")
        page.get_by_role("button", name="Favorite: Product 07").click()
        expect(page.get_by_role("button", name="Favorite: Product 07")).to_have_attribute("aria-pressed", "true")


@pytest.mark.proof
def test_ten_thousand_deals_are_paged_without_a_long_task(page: Page, seller: Seller) -> None:
    """No task of the browser takes longer than 200 ms, while the list is scrolled, searched and paged."""
    seller.imports("Title,Supplier\n" + "".join(f"Walnut {number:05},Acme {number % 97}\n" for number in range(10_000)))
    page.add_init_script(
        "window.longest = 0; new PerformanceObserver(list => { for (const task of list.getEntries())"
        " longest = Math.max(longest, task.duration); }).observe({type: 'longtask', buffered: true});"
    )
    _opens(page, "/deals?sort=title")
    expect(page.locator("[data-results]")).to_have_text("1\N{EN DASH}50 of 10,000")
    for number in range(1, 21):
        page.mouse.wheel(0, 4_000)
        page.get_by_label("Select all on this page").check()
        page.get_by_role("link", name="Next page").click()
        expect(page.locator("[data-results]")).to_have_text(
            f"{50 * number + 1:,}\N{EN DASH}{50 * number + 50:,} of 10,000"
        )
    assert "1,000 selected (1,000 on other pages)" in _bar(page)
    page.get_by_label("Search title").press_sequentially("walnut 09")
    expect(page.get_by_role("rowheader").first).to_contain_text("Walnut 09000")
    assert _was_not_reloaded(page)
    assert page.evaluate("longest") <= 200
