"""`list_matches` returns the matches of a user, page by page."""

import pytest

from local.stack import Stack
from tests.callers import Caller
from tests.candidates import GTIN, OTHER_UPC, UPC, A, B, C, Document, remembers


def test_matches_are_listed_newest_first_page_by_page(alice: Caller) -> None:
    """Each one once, with the title of the product that has the identifier."""
    alice.creates(upc=UPC, title="Lamp")
    given = [(A, "always", GTIN), (B, "never", GTIN), (C, "never", "00000096385074")]
    for asin, verdict, gtin in given:
        remembers(alice, asin, verdict, gtin=gtin)
    items, after = list[Document](), None
    while len(items) < 4:
        page = alice.gets("list_matches", p_limit=1, p_after=after)
        items, after = items + page["items"], page["next"]
        if after is None:
            break
    assert [(each["asin"], each["verdict"], each["gtin"]) for each in reversed(items)] == given
    assert [each["title"] for each in items] == [None, "Lamp", "Lamp"]
    assert items == alice.gets("list_matches")["items"]
    assert items[0].keys() == {"gtin", "asin", "verdict", "created_at", "title"}


def test_the_title_of_a_match_is_preferably_of_a_product_that_was_not_merged(stack: Stack, alice: Caller) -> None:
    """Several products can have one identifier, with and without leading zeros."""
    source, target = (alice.creates(upc=upc, title=upc)["product_id"] for upc in (UPC, OTHER_UPC))
    stack.supabase.sql("update products set merged_into = $1 where id = $2", target, source)
    remembers(alice, A, "never")
    assert [each["title"] for each in alice.gets("list_matches")["items"]] == [UPC]
    for title in ("Oldest", "Newest"):
        alice.creates(upc={"Oldest": f"0{UPC}", "Newest": GTIN}[title], title=title)
    assert [each["title"] for each in alice.gets("list_matches")["items"]] == ["Oldest"]


@pytest.mark.parametrize(
    ("search", "found"), [("0036", [B, A]), ("00000a", [A]), ("963850", [C]), ("B0000", [C, B, A]), ("%", [])]
)
def test_a_search_finds_parts_of_identifiers_and_asins(alice: Caller, search: str, found: list[str]) -> None:
    """In any letter case. No character has a special meaning."""
    for asin, gtin in ((A, GTIN), (B, GTIN), (C, "00000096385074")):
        remembers(alice, asin, "never", gtin=gtin)
    assert [each["asin"] for each in alice.gets("list_matches", p_search=search)["items"]] == found


@pytest.mark.parametrize(
    "arguments",
    [
        {"p_limit": 0}, {"p_limit": 1001}, {"p_limit": None}, {"p_after": {"gtin": GTIN}}, {"p_after": []},
        {"p_after": {"created_at": "no time", "gtin": GTIN, "asin": A}},
    ],
)  # fmt: skip
def test_an_invalid_limit_or_cursor_is_a_bad_request(
    alice: Caller, anonymous: Caller, arguments: dict[str, object]
) -> None:
    """Nobody lists matches without signing in."""
    assert alice.rpc("list_matches", **arguments).status_code == 400
    assert anonymous.rpc("list_matches").status_code in {401, 403, 404}
