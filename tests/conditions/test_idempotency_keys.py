"""Idempotency keys: a change that is sent again with the same key is made only once, and answered alike."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from local.stack import Stack
from tests.problems import kind_of, problem
from tests.sellers import Seller

_HEADERS = ("Content-Type", "Location", "ETag")
_KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}

Send = Callable[[Seller, dict[str, str], dict[str, str]], httpx.Response]
_CHANGES: dict[str, Send] = {
    "create": lambda who, _, key: who.http.post("/products", json={"title": "Lamp", "supplier": "B"}, headers=key),
    "product": lambda who, deal, key: who.http.patch(
        f"/products/{deal['product_id']}", json={"asin": "B000000009"}, headers=key
    ),
    "deal": lambda who, deal, key: who.http.patch(f"/products/deal/{deal['id']}", json={"moq": 9}, headers=key),
    "delete": lambda who, deal, key: who.http.delete(f"/products/deal/{deal['id']}", headers=key),
    "delete permanently": lambda who, deal, key: who.http.delete(f"/products/deal/{deal['id']}?hard=true", headers=key),
    "bulk": lambda who, deal, key: who.http.post(
        "/products/bulk-action", json={"action": "delete", "deal_ids": [deal["id"]]}, headers=key
    ),
}


def _essence(answer: httpx.Response) -> tuple[int, bytes, list[str | None]]:
    return answer.status_code, answer.content, [answer.headers.get(name) for name in _HEADERS]


def _keys(stack: Stack, seller: Seller) -> int:
    (row,) = stack.supabase.sql("select count(*) as n from private.idempotency_keys where user_id = $1", seller.id)
    return int(row["n"])


@pytest.mark.parametrize("name", _CHANGES)
def test_the_same_request_is_answered_alike_and_changes_nothing(seller: Seller, name: str) -> None:
    """Also after another change: the answer is the recorded one, not the present state."""
    deal = seller.creates(title="Chair", supplier="A")
    first = _CHANGES[name](seller, deal, _KEY)
    assert first.is_success, first.text
    seller.http.post("/products", json={"title": "Chair", "supplier": "A", "notes": "later"})
    seller.http.post("/products", json={"title": "Lamp", "supplier": "B", "notes": "later"})
    before = seller.sees(), seller.lists(active="false")
    assert _essence(_CHANGES[name](seller, deal, _KEY)) == _essence(first)
    assert (seller.sees(), seller.lists(active="false")) == before


def test_a_replay_keeps_the_numbers_right(seller: Seller) -> None:
    """It stores the present numbers in the cache, not those that the change left."""
    assert seller.http.post("/products", json={"title": "Lamp"}, headers=_KEY).status_code == 201
    seller.creates()
    assert seller.http.post("/products", json={"title": "Lamp"}, headers=_KEY).status_code == 201
    assert seller.stats()["all"] == 2


def test_a_key_belongs_to_one_request(seller: Seller) -> None:
    """422 for another body, address or precondition, and nothing is changed."""
    deal = seller.creates()
    path = f"/products/deal/{deal['id']}"
    changed = seller.http.patch(path, json={"moq": 9}, headers=_KEY)
    before = seller.sees()
    for again in (
        seller.http.patch(path, json={"moq": 10}, headers=_KEY),
        seller.http.delete(path, headers=_KEY),
        seller.http.patch(path, json={"moq": 9}, headers={**_KEY, "If-Match": changed.headers["ETag"]}),
    ):
        assert kind_of(again) == "idempotency-key-reused"
    assert seller.sees() == before


def test_two_sellers_may_choose_the_same_key(seller: Seller, other_seller: Seller) -> None:
    """A key is unique for its user only."""
    for who, title in ((seller, "Lamp"), (other_seller, "Chair")):
        assert who.http.post("/products", json={"title": title}, headers=_KEY).status_code == 201
        assert [deal["product"]["title"] for deal in who.lists()] == [title]


def test_the_key_may_have_quotes_or_not(seller: Seller) -> None:
    """The draft demands a string in quotes; many clients send the bare text. Both are the same key."""
    for header in (_KEY, {"Idempotency-Key": _KEY["Idempotency-Key"].strip('"')}):
        assert seller.http.post("/products", json={"title": "Lamp"}, headers=header).status_code == 201


@pytest.mark.parametrize("key", ["", '""', '"unfinished', "two words", '"a\\"b"', "x" * 256, b"\xff"])
def test_an_invalid_key_is_refused(seller: Seller, key: str | bytes) -> None:
    """400, and nothing is changed."""
    raw = key if isinstance(key, bytes) else key.encode()
    answer = seller.http.post("/products", json={"title": "Lamp"}, headers=[(b"Idempotency-Key", raw)])
    assert kind_of(answer) == "idempotency-key-invalid"
    assert seller.lists() == []


def test_a_refused_change_is_judged_anew(seller: Seller) -> None:
    """Nothing was changed, so nothing is recorded: the same request can succeed later."""
    seller.creates(asin="B000000001")
    other = f"/products/{seller.creates()['product_id']}"
    taken = {"asin": "B000000001"}
    assert problem(seller.http.patch(other, json=taken, headers=_KEY), 409)
    (first,) = (deal for deal in seller.lists() if deal["product"]["asin"])
    seller.http.patch(f"/products/{first['product_id']}", json={"asin": None})
    assert seller.http.patch(other, json=taken, headers=_KEY).status_code == 200


def test_a_request_for_what_does_not_exist_is_not_recorded(seller: Seller, stack: Stack) -> None:
    """404 both times."""
    for _ in range(2):
        for path in ("/products/deal/", "/products/"):
            address = f"{path}00000000-0000-4000-8000-000000000000"
            assert problem(seller.http.patch(address, json={}, headers=_KEY), 404)
    assert _keys(stack, seller) == 0


def test_a_replay_is_answered_before_the_precondition_is_checked(seller: Seller) -> None:
    """The first request itself has changed the entity tag."""
    path = f"/products/deal/{seller.creates()['id']}"
    headers = {**_KEY, "If-Match": seller.http.get(path).headers["ETag"]}
    first = seller.http.patch(path, json={"moq": 9}, headers=headers)
    assert first.status_code == 200
    assert _essence(seller.http.patch(path, json={"moq": 9}, headers=headers)) == _essence(first)


def test_simultaneous_requests_make_one_change(seller: Seller) -> None:
    """All are answered like the first one."""

    def send(_: int) -> httpx.Response:
        return seller.http.post("/products", json={"title": "Lamp", "asin": "B000000001"}, headers=_KEY)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len(seller.lists()) == 1


def test_a_key_is_forgotten_after_a_day(seller: Seller, stack: Stack) -> None:
    """It is usable again even before the purge."""
    age = "update private.idempotency_keys set created_at = now() - $2::text::interval where user_id = $1"
    assert seller.http.post("/products", json={"title": "Lamp"}, headers=_KEY).status_code == 201
    stack.supabase.sql(age, seller.id, "23 hours 59 minutes")
    assert problem(seller.http.post("/products", json={"title": "Chair"}, headers=_KEY), 422)
    stack.supabase.sql(age, seller.id, "24 hours")
    assert seller.http.post("/products", json={"title": "Chair"}, headers=_KEY).status_code == 201
    assert seller.http.post("/products", json={"title": "Chair"}, headers=_KEY).status_code == 201
    assert _keys(stack, seller) == 1


def test_an_import_takes_no_key(seller: Seller, stack: Stack) -> None:
    """Repeating an import is safe already, so the header is ignored."""
    csv = {"content": "Title\nLamp\n", "headers": {"Content-Type": "text/csv", **_KEY}}
    for status in ("created", "unchanged"):
        answer = seller.http.post("/products/import", **csv)  # type: ignore[arg-type]  # a str and a dict
        assert f'"{status}": 1' in answer.text.splitlines()[-1]
    assert _keys(stack, seller) == 0
