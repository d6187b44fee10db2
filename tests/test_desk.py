"""The desk's pages, as gunicorn serves them to a browser without JavaScript."""

import pytest
from redis import Redis

from local.processes import wait_until
from tests.desk_pages import undo_path
from tests.sellers import Seller
from tests.visitors import Visitor


def _ids(seller: Seller, *titles: str) -> list[str]:
    return [str(seller.creates(title=title)["id"]) for title in titles]


def test_the_desk_shows_the_source_of_the_numbers(visitor: Visitor, seller: Seller, redis: Redis) -> None:
    """The first page view computes the numbers. The second reads them from Redis and shows their age."""
    redis.delete(seller.key)
    visitor.opens("/")
    assert "Fresh from the database" in visitor.page
    visitor.opens("/")
    assert "Updated just now" in visitor.page
    assert "From Redis, 0 s old" in visitor.page
    assert wait_until(lambda: "From Redis, 2 s old" in visitor.opens("/").text, seconds=10)


def test_adding_a_product_changes_its_number_at_once(visitor: Visitor, seller: Seller) -> None:
    """The change replaces the cached numbers before the next page."""
    assert visitor.numbers == {"all": 0, "asin_found": 0, "needs_selection": 0, "needs_asin": 0, "manual_entry": 0}
    visitor.opens("/desk/products/new")
    added = visitor.submits(
        "/desk/products/new",
        title="Desk lamp",
        asin="b000000001",
        supplier="Acme",
        buy_cost="1234.5",
        moq="6",
        stage="new",
    )
    assert (added.status_code, added.headers["Location"]) == (303, "/deals")
    visitor.follows(added)
    assert visitor.numbers["asin_found"] == visitor.numbers["all"] == 1
    assert "“Desk lamp” was added. Status: ASIN found." in visitor.page
    for shown in ("B000000001", "Acme", "1,234.50"):
        assert shown in visitor.page
    assert visitor.opens("/deals").text.count("was added") == 0, "a notice is shown once"
    assert seller.lists()[0]["moq"] == 6


def test_adding_an_existing_deal_keeps_fields_that_are_not_in_the_form(visitor: Visitor, seller: Seller) -> None:
    """Stage and favorite are kept. Default values of the form must not overwrite them."""
    seller.creates(title="Known", upc="12345670", stage="ordered", favorite=True)
    visitor.follows(visitor.submits("/desk/products/new", title="Known", upc="12345670", moq="3", stage="new"))
    assert "You already had “Known” from this supplier; its deal was updated." in visitor.page
    deal = seller.lists()[0]
    assert (deal["stage"], deal["favorite"], deal["moq"]) == ("ordered", True, 3)


def test_an_old_link_to_the_list_is_redirected_with_its_filters_only(visitor: Visitor) -> None:
    """Parameters that Flask's `url_for` would take for its own are not passed on."""
    answer = visitor.opens("/?stage=ordered&endpoint=x&_scheme=ftp&_method=x&values=y")
    assert (answer.status_code, answer.headers["Location"]) == (301, "/deals?stage=ordered")


def test_each_mistake_is_shown_at_its_field_and_the_input_is_kept(visitor: Visitor, seller: Seller) -> None:
    """The page explains the errors of title, ASIN, UPC, cost and quantity. Valid fields keep their values."""
    form = {"title": " ", "asin": "b0<script>", "upc": "1", "buy_cost": "12,50", "moq": "0", "supplier": "Acme & Sons"}
    answer = visitor.submits("/desk/products/new", **form, favorite="true", stage="ordered")
    assert answer.status_code == 422
    for name in ("title", "asin", "upc", "buy_cost", "moq"):
        assert f'id="{name}-mistake"' in answer.text
        assert f'aria-describedby="{name}-mistake"' in answer.text
    assert "5 fields need fixing" in answer.text
    assert 'id="supplier-mistake"' not in answer.text
    for kept in (
        'value="b0&lt;script&gt;"',
        'value="12,50"',
        'value="Acme &amp; Sons"',
        '"ordered" selected',
        " checked>",
    ):
        assert kept in answer.text
    assert seller.lists() == []


def test_an_asin_and_a_upc_of_two_products_are_refused_with_a_message(visitor: Visitor, seller: Seller) -> None:
    """The form shows the database's refusal."""
    seller.creates(asin="B000000001")
    seller.creates(upc="12345670")
    answer = visitor.submits("/desk/products/new", title="Both", asin="B000000001", upc="12345670")
    assert answer.status_code == 409
    assert "belong to two different products" in answer.text
    assert 'value="Both"' in answer.text


def test_a_whole_page_can_be_deleted_and_undone(visitor: Visitor, seller: Seller) -> None:
    """The session cookie, which is limited to 4 KB, keeps the batch and not its deals."""
    _ids(seller, *(f"Product {number}" for number in range(51)))
    visitor.opens("/deals")
    page = [deal["id"] for deal in seller.lists(limit=50)]
    answer = visitor.submits("/desk/deals", action="delete", deal_ids=page, back="/deals")
    assert len(answer.headers["Set-Cookie"]) < 4000
    visitor.follows(answer)
    assert "50 deals deleted." in visitor.page
    assert (len(visitor.titles), visitor.numbers["all"]) == (1, 1)
    visitor.follows(visitor.submits(undo_path(visitor.page), back="/deals"))
    assert "Undone. 50 deals are as before." in visitor.page
    assert (len(visitor.titles), visitor.numbers["all"]) == (50, 51)


def test_a_deal_can_be_deleted_and_marked_with_its_own_buttons(visitor: Visitor, seller: Seller) -> None:
    """Both redirect back to the same page."""
    (deal_id,) = _ids(seller, "One")
    marked = visitor.submits(f"/desk/deals/{deal_id}/favorite", back="/deals?stage=new")
    assert marked.headers["Location"] == "/deals?stage=new"
    assert seller.lists()[0]["favorite"] is True
    visitor.opens("/deals?favorite=true")
    assert visitor.titles == ["One"]
    visitor.follows(visitor.submits(f"/desk/deals/{deal_id}/delete", back="/deals"))
    assert "1 deal deleted." in visitor.page
    assert seller.stats()["all"] == 0


def test_selected_deals_move_to_a_stage(visitor: Visitor, seller: Seller) -> None:
    """All selected deals move, and the list can be filtered by the stage."""
    ids = _ids(seller, "One", "Two", "Three")
    visitor.follows(visitor.submits("/desk/deals", action="move", stage="ordered", deal_ids=ids[1:], back="/deals"))
    assert "2 deals moved to Ordered." in visitor.page
    visitor.opens("/deals?stage=ordered&sort=title")
    assert visitor.titles == ["Three", "Two"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"action": "delete"}, "Select at least one deal first."),
        ({"action": "explode", "deal_ids": ["own"]}, "This action is not valid"),
        ({"action": "move", "stage": "moon", "deal_ids": ["own"]}, "This action is not valid"),
        (
            {"action": "delete", "deal_ids": ["own", "foreign"]},
            "Some of these deals do not exist; nothing was changed.",
        ),
        ({"action": "delete", "deal_ids": ["own", "x"]}, "This action is not valid"),
    ],
)
def test_an_invalid_bulk_change_shows_a_message_and_changes_nothing(
    visitor: Visitor, seller: Seller, other_seller: Seller, fields: dict[str, str | list[str]], words: str
) -> None:
    """The list is unchanged and shows the reason. Another user's deal does not exist."""
    ids = {"own": _ids(seller, "Mine")[0], "foreign": _ids(other_seller, "Theirs")[0]}
    named = {"deal_ids": [ids.get(name, name) for name in fields.get("deal_ids", [])]}
    visitor.follows(visitor.submits("/desk/deals", **fields | named, back="/deals"))
    assert words in visitor.page
    assert visitor.titles == ["Mine"]
    assert len(other_seller.lists()) == 1


def test_paging_shows_every_deal_once(visitor: Visitor, seller: Seller) -> None:
    """Next keeps the chosen order. Every other page links to the first page."""
    expected = [f"Product {number:03}" for number in range(70)]
    _ids(seller, *expected)
    visitor.opens("/deals?sort=title")
    seen = visitor.titles
    assert "First page" not in visitor.page
    following = visitor.page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    visitor.opens(following)
    assert seen + visitor.titles == expected
    assert 'href="/deals?sort=title">' in visitor.page.split('aria-label="Pages"')[1]
    assert 'rel="next"' not in visitor.page


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("search=x", "Type at least two characters to search. This is the list without your search."),
        ("search=%20x%20", "Type at least two characters to search."),
        (f"search={'x' * 201}", "A search has at most 200 characters."),
        ("stage=moon&sort=title", "One filter is invalid and was ignored."),
    ],
)
def test_an_invalid_filter_is_ignored_with_a_message(visitor: Visitor, seller: Seller, query: str, words: str) -> None:
    """The rest of the page is shown."""
    _ids(seller, "One")
    answer = visitor.opens(f"/deals?{query}")
    assert answer.status_code == 422
    assert words in answer.text
    assert visitor.titles == ["One"]


def test_a_search_that_is_too_short_stays_in_its_field(visitor: Visitor, seller: Seller) -> None:
    """The form keeps the search and the other filters, so the user can continue to type."""
    _ids(seller, "One")
    page = visitor.opens("/deals?search=x&stage=new").text
    assert 'name="search" value="x"' in page
    assert 'aria-invalid="true" aria-describedby="mistake"' in page
    assert '<option value="new" selected>' in page
    assert "aria-invalid" not in visitor.opens("/deals?search=on").text
    assert visitor.titles == ["One"]


def test_a_card_filters_by_its_status_and_keeps_only_the_sort(visitor: Visitor, seller: Seller) -> None:
    """The number and the list refer to the same products."""
    seller.creates(title="Has it", asin="B000000001")
    seller.creates(title="Has a UPC", upc="12345670")
    visitor.opens("/deals?search=nothing&sort=title")
    assert "No deal matches." in visitor.page
    assert 'href="/deals?asin_status=needs_asin&amp;sort=title"' in visitor.page
    visitor.opens("/deals?asin_status=needs_asin&sort=title")
    assert visitor.titles == ["Has a UPC"]
    assert (
        'class="card needs_asin" href="/deals?asin_status=needs_asin&amp;sort=title" aria-current="true"'
        in visitor.page
    )
