"""An import can be undone, and the list has its rows in the order of the file."""

from typing import Any
from uuid import uuid4

from tests.callers import Caller
from tests.problems import problem
from tests.sellers import Seller
from tests.visitors import Visitor


def _undone(seller: Seller, batch_id: str | None) -> dict[str, Any]:
    answer = seller.http.post(f"/products/batches/{batch_id}/undo")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def _state(seller: Seller) -> list[tuple[Any, ...]]:
    found = seller.lists(sort="title")
    return [(item["id"], item["stage"], item["buy_cost"], item["notes"], item["supplier"]) for item in found]


def test_the_undo_deletes_what_was_created_and_puts_back_what_was_changed(seller: Seller) -> None:
    """A deleted deal that the import restored is deleted again. Repeating the undo changes nothing."""
    seller.creates(title="Lamp", supplier="acme", buy_cost="2.50", notes="kept")
    gone = seller.creates(title="Chair", supplier="Acme")["id"]
    assert seller.bulk("delete", gone).status_code == 200
    before, numbers = _state(seller), seller.stats()
    done = seller.imports("Title,Supplier,Cost,Stage\nLamp,ACME,3,ordered\nChair,Acme,,\nDesk,Acme,9,\n")[-1]
    assert (done["created"], done["updated"]) == (1, 2)
    assert len(seller.lists()) == 3
    undone = _undone(seller, done["batch_id"])
    assert (undone["restored"], undone["skipped"], undone["remaining"]) == (3, 0, False)
    assert (_state(seller), seller.stats()) == (before, numbers)
    assert _undone(seller, done["batch_id"])["restored"] == 3
    assert _state(seller) == before


def test_the_undo_leaves_deals_that_were_changed_since(seller: Seller) -> None:
    """It says how many."""
    done = seller.imports("Title\nLamp\nChair\n")[-1]
    chair, lamp = (item["id"] for item in seller.lists(sort="title"))
    assert seller.http.patch(f"/products/deal/{lamp}", json={"notes": "mine"}).status_code == 200
    undone = _undone(seller, done["batch_id"])
    assert undone["skipped_deals"] == [{"deal_id": lamp, "reason": "changed"}]
    assert [item["id"] for item in seller.lists()] == [lamp]
    assert [item["id"] for item in seller.lists(active="false")] == [chair]


def _names_a_lamp(page: str) -> bool:
    return any(title in page for title in ("Lamp one", "Lamp two", "Lamp three"))


def test_products_of_an_undone_import_are_seen_only_in_the_trash(seller: Seller, visitor: Visitor) -> None:
    """Not in the numbers, the lists, a search, the queues and the export. Importing again takes the same products."""
    visitor.signs_in(seller)
    content = "Title,UPC,ASIN\nLamp one,,B000000001\nLamp two,012345678905,\nLamp three,,\n"
    done = seller.imports(content)[-1]
    before = {item["product"]["title"]: item["product_id"] for item in seller.lists()}
    pages = ["/deals", "/deals?search=Lamp", *(f"/desk/queue/{status}" for status in ("needs_asin", "manual_entry"))]
    assert all(_names_a_lamp(visitor.opens(page).text) for page in pages)
    _undone(seller, done["batch_id"])
    assert not any(seller.stats().values())
    assert not any(_names_a_lamp(visitor.opens(page).text) for page in pages)
    assert b"Lamp" not in seller.exports()
    assert "Lamp two" in visitor.opens("/trash").text
    assert seller.imports(content)[-1]["rejected"] == 0
    assert {item["product"]["title"]: item["product_id"] for item in seller.lists()} == before


def test_all_rows_of_a_file_are_one_batch(seller: Seller) -> None:
    """Also those of several transactions. An undo of many deals needs several steps."""
    done = seller.imports("Title\n" + "".join(f"Lamp {number}\n" for number in range(2100)))[-1]
    steps = [_undone(seller, done["batch_id"]) for _ in range(3)]
    assert [(step["restored"], step["remaining"]) for step in steps] == [(1000, True), (2000, True), (2100, False)]
    assert seller.stats()["all"] == 0


def test_an_import_that_changes_nothing_has_no_batch(seller: Seller) -> None:
    """A dry run neither."""
    assert seller.imports("Title\nLamp\n", dry_run=True)[-1]["batch_id"] is None
    assert seller.imports("Title\nLamp\n")[-1]["batch_id"]
    assert seller.imports("Title\nLamp\n")[-1]["batch_id"] is None


def test_the_newest_first_shows_the_order_of_the_file(seller: Seller) -> None:
    """Across transactions, and after what existed before."""
    seller.creates(title="Old")
    seller.imports("Title\n" + "".join(f"Lamp {number}\n" for number in range(1100)))
    newest = [item["product"]["title"] for item in seller.lists(sort="-created_at")]
    assert newest == [f"Lamp {number}" for number in range(200)]
    oldest = [item["product"]["title"] for item in seller.lists(sort="created_at")]
    assert oldest == ["Old", *(f"Lamp {1099 - number}" for number in range(199))]
    seller.imports("Title\nDesk B\nDesk A\n")
    assert [item["product"]["title"] for item in seller.lists(limit=3)] == ["Desk B", "Desk A", "Lamp 0"]


def test_a_batch_tells_what_it_changed(seller: Seller, bob: Caller) -> None:
    """The caller alone sees it."""
    seller.creates(title="Lamp", supplier="Acme", stage="new")
    batch = seller.imports("Title,Supplier,Stage\nLamp,Acme,ordered\nDesk,Acme,\n")[-1]["batch_id"]
    rpc = bob.rpc("get_batch", p_batch_id=batch)
    assert (rpc.status_code, rpc.json()) == (200, None)
    missing = seller.http.post(f"/products/batches/{uuid4()}/undo")
    assert problem(missing, 404)


def test_an_import_continues_only_a_batch_of_its_user(alice: Caller, bob: Caller) -> None:
    """And only one that was not undone."""
    rows = [{"line": 2, "title": "Lamp"}]
    batch = alice.changes("import_deals", p_rows=rows)["batch_id"]
    more = [{"line": 3, "title": "Desk"}]
    assert bob.rpc("import_deals", p_rows=more, p_batch_id=batch).json()["code"] == "PT404"
    assert alice.changes("import_deals", p_rows=more, p_batch_id=batch)["batch_id"] == batch
    found = alice.rpc("get_batch", p_batch_id=batch).json()
    assert (found["created"], found["changed"], found["undone"], found["deals"]) == (2, 0, False, [])
    alice.changes("import_deals", p_rows=[{"line": 4, "title": "Lamp", "stage": "ordered"}], p_batch_id=batch)
    alice.changes("undo_batch", p_batch_id=batch)
    assert alice.rpc("import_deals", p_rows=more, p_batch_id=batch).json()["code"] == "PT404"
