"""The size of an error document and the cost of validation are bounded for every request."""

import json
import time
from typing import Final

import pytest
from flask import Flask

from tests.problems import problem
from tests.sellers import Seller

_BYTES: Final = 800_000
_MOST_BYTES: Final = 40_000


def _many_keys(size: int) -> bytes:
    return b"{" + b",".join(b'"k%d":1' % number for number in range(size // 10)) + b"}"


_BODIES: Final[dict[str, bytes]] = {
    "unknown fields": _many_keys(_BYTES),
    "one unknown field repeated": b"{" + b'"a":1,' * (_BYTES // 6) + b'"a":1}',
    "a field with a very long name": b'{"' + b"~" * _BYTES + b'":1}',
    "a field with a name that must be escaped": b'{"' + "\u00e9".encode() * (_BYTES // 2) + b'":1}',
    "invalid ids": b'{"action":"delete","deal_ids":[' + b"5," * (_BYTES // 2) + b"5]}",
    "ids and fields": b'{"action":"delete","deal_ids":[' + b'"",' * 900 + b'""],' + _many_keys(_BYTES)[1:],
    "a very long text": b'{"action":"' + b"x" * _BYTES + b'"}',
    "lists in lists": b"[" * _BYTES,
    "objects in objects": b'{"a":' * (_BYTES // 5),
    "a very long number": b'{"action":' + b"9" * _BYTES + b"}",
    "not JSON": b"x" * _BYTES,
}


@pytest.mark.parametrize("path", ["/products", "/products/bulk-action"])
@pytest.mark.parametrize("kind", _BODIES)
def test_an_error_document_is_short_for_any_request(seller: Seller, kind: str, path: str) -> None:
    """The document states how many errors it omits."""
    headers = {"Content-Type": "application/json"}
    answer = seller.http.post(path, content=_BODIES[kind], headers=headers)
    document = problem(answer, answer.status_code)
    assert answer.status_code in {400, 422}
    assert (len(answer.content) <= _MOST_BYTES, len(document.get("errors", [])) <= 100) == (True, True)


def test_a_document_lists_a_hundred_errors_and_the_number_of_omitted_ones(seller: Seller) -> None:
    """The detail states it too."""
    answer = seller.http.post("/products/bulk-action", json={"action": "delete", "deal_ids": ["no id"] * 250})
    document = problem(answer, 422)
    assert (len(document["errors"]), document["errors_omitted"]) == (100, 150)
    assert document["errors"][99]["pointer"] == "/deal_ids/99"
    assert "Only the first 100 of 250 errors are listed." in document["detail"]
    whole = problem(
        seller.http.post("/products/bulk-action", json={"action": "delete", "deal_ids": ["no id"] * 100}), 422
    )
    assert (len(whole["errors"]), "errors_omitted" in whole, "Only" in whole["detail"]) == (100, False, False)


def test_at_most_a_hundred_unknown_deals_are_listed(seller: Seller) -> None:
    """The database's error names every deal; the document lists only the first ones."""
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(1000)]
    document = problem(seller.bulk("delete", *ids), 404)
    assert (len(document["errors"]), document["errors_omitted"]) == (100, 900)


@pytest.mark.parametrize("kind", _BODIES)
def test_validation_costs_little_more_than_parsing_the_body(app: Flask, seller: Seller, kind: str) -> None:
    """Measures the CPU time of the whole request."""
    client = app.test_client()
    headers = {"Authorization": f"Bearer {seller.token}", "Content-Type": "application/json"}
    seconds = []
    for _ in range(3):
        started = time.thread_time()
        client.post("/products/bulk-action", data=_BODIES[kind], headers=headers)
        seconds.append(time.thread_time() - started)
    body = _many_keys(_BYTES)
    started = time.thread_time()
    for _ in range(20):
        json.loads(body)
    assert min(seconds) <= 0.02 + 3 * (time.thread_time() - started) / 20
