"""An action on all deals that match, at the desk without JavaScript: a question, steps, and one undo."""

from typing import Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.desk_pages import hidden_fields, undo_path, without_versions, words
from tests.sellers import Seller
from tests.visitors import Visitor

_PATH: Final = "/deals/matching"
_MANY: Final = 1_002


def _imports(seller: Seller, number: int) -> None:
    seller.imports("title,stage\n" + "\n".join(f"Lamp {line},new" for line in range(number)))


def _total(seller: Seller, stage: str) -> int:
    counted = seller.http.get("/products", params={"stage": stage}, headers={"Prefer": "count=estimated"})
    return int(counted.json()["total"])


def _asks(visitor: Visitor, action: str, back: str, **fields: str) -> httpx.Response:
    """Choose an action for all deals of the list at `back`."""
    visitor.opens(back)
    return visitor.follows(visitor.submits("/desk/deals", action=action, matching="yes", back=back, **fields))


def _steps(visitor: Visitor, **fields: str) -> httpx.Response:
    """Press the button of the page that asks or shows the progress."""
    return visitor.submits(_PATH, **(hidden_fields(visitor.page) | fields))


def test_all_deals_that_match_are_changed_and_one_undo_takes_all_back(visitor: Visitor, seller: Seller) -> None:
    """The question changes nothing. Each press makes one step; other deals stay as they are."""
    _imports(seller, _MANY)
    seller.creates(title="Other", stage="ordered")
    before = without_versions(seller)
    visitor.opens("/deals?stage=new")
    assert f"Select all {_MANY:,} that match" in words(visitor.page)
    _asks(visitor, "move", "/deals?stage=new", stage="received")
    assert f"Move {_MANY:,} deals to Received?" in words(visitor.page)
    assert without_versions(seller) == before
    assert _steps(visitor).status_code == 200
    assert f"1,000 of {_MANY:,} deals are done." in words(visitor.page)
    visitor.follows(_steps(visitor))
    assert f"{_MANY:,} deals moved to Received." in words(visitor.page)
    assert _total(seller, "received") == _MANY
    assert _total(seller, "ordered") == 1
    visitor.follows(visitor.submits(undo_path(visitor.page), back="/deals"))
    assert f"Undone. {_MANY:,} deals are as before." in words(visitor.page)
    assert without_versions(seller) == before


def test_cancelling_keeps_what_was_done_and_offers_undo(visitor: Visitor, seller: Seller) -> None:
    """The other deals stay as they are, and the undo restores the first step."""
    _imports(seller, _MANY)
    _asks(visitor, "delete", "/deals")
    _steps(visitor)
    visitor.follows(_steps(visitor, stop="yes"))
    assert "Stopped. 1,000 deals deleted. The others stay as they are." in words(visitor.page)
    assert seller.stats()["all"] == _MANY - 1_000
    visitor.follows(visitor.submits(undo_path(visitor.page), back="/deals"))
    assert seller.stats()["all"] == _MANY


def test_a_step_that_is_sent_again_is_made_once(visitor: Visitor, seller: Seller) -> None:
    """After a lost answer the browser sends the same form: the batch is the same, so one undo takes all back."""
    _imports(seller, _MANY)
    _asks(visitor, "delete", "/deals")
    question = hidden_fields(visitor.page)
    batches = []
    for _ in range(2):
        visitor.submits(_PATH, **question)
        batches.append(hidden_fields(visitor.page)["batch_id"])
    assert batches[0] == batches[1]
    assert seller.stats()["all"] == _MANY - 1_000


@pytest.mark.parametrize(
    "filters", ["search=lamp", "favorite=false", "favorite=true&stage=new", "asin_status=asin_found"]
)
def test_the_filters_of_the_list_limit_the_action(visitor: Visitor, seller: Seller, filters: str) -> None:
    """Exactly the deals that the list shows are changed, and the page after it is this list."""
    for title, stage, favorite in (("Lamp", "new", True), ("Chair", "ordered", True), ("Oak lamp", "new", False)):
        seller.creates(title=title, stage=stage, favorite=favorite)
    seller.creates(title="Desk", asin="B000000001", favorite=True)
    shown = {deal["id"] for deal in seller.lists(**_single(filters))}
    _asks(visitor, "move", f"/deals?{filters}", stage="received")
    answer = _steps(visitor)
    assert _single(urlsplit(answer.headers["Location"]).query) == _single(filters)
    assert {deal["id"] for deal in seller.lists(stage="received")} == shown


def _single(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def test_all_deleted_deals_can_be_restored(visitor: Visitor, seller: Seller) -> None:
    """The trash leads to the question, and the undo deletes them again."""
    deals = [seller.creates(title=title)["id"] for title in ("One", "Two")]
    seller.bulk("delete", *deals)
    visitor.opens("/trash")
    assert f'href="{_PATH}?do=restore"' in visitor.page
    visitor.opens(f"{_PATH}?do=restore")
    assert "Restore 2 deals?" in words(visitor.page)
    visitor.follows(_steps(visitor))
    assert "2 deals restored." in words(visitor.page)
    assert seller.stats()["all"] == 2


@pytest.mark.parametrize("query", ["", "?do=explode", "?do=move", "?do=move&to=nowhere", "?do=delete&stage=nowhere"])
def test_an_invalid_action_changes_nothing(visitor: Visitor, seller: Seller, query: str) -> None:
    """Neither as an address nor as a form."""
    seller.creates()
    visitor.follows(visitor.opens(f"{_PATH}{query}"))
    assert "This action is not valid. Nothing was changed." in words(visitor.page)
    visitor.opens("/deals")
    visitor.follows(visitor.submits(_PATH, **_single(query.removeprefix("?"))))
    assert "This action is not valid. Nothing was changed." in words(visitor.page)
    assert seller.stats()["all"] == 1


def test_a_batch_of_somebody_else_is_not_continued(visitor: Visitor, seller: Seller, other_seller: Seller) -> None:
    """Nor is one with a cursor of another list. Nothing is changed."""
    deal = seller.creates()["id"]
    theirs = other_seller.bulk("delete", other_seller.creates()["id"]).json()["batch_id"]
    for wrong in ({"batch_id": theirs}, {"cursor": "x"}):
        _asks(visitor, "delete", "/deals")
        visitor.follows(_steps(visitor, **wrong))
        assert "This can no longer be continued." in words(visitor.page)
    assert [kept["id"] for kept in seller.lists()] == [deal]
