"""How a seller sends the result of a look-up, over HTTP."""

import json
from typing import Any, Final

import httpx

from tests.openapi.contract import check_lines
from tests.sellers import Seller

CSV: Final = {"Content-Type": "text/csv"}
PATH: Final = "/products/candidates"

Line = dict[str, Any]


def posts(seller: Seller, content: str | bytes | list[Any], **query: bool) -> httpx.Response:
    """Send a file, or a list as JSON."""
    if isinstance(content, list):
        return seller.http.post(PATH, json=content, params=query)
    return seller.http.post(PATH, content=content, headers=CSV, params=query)


def feeds(seller: Seller, content: str | bytes | list[Any], **query: bool) -> list[Line]:
    """Send a file, or a list as JSON, and return the lines of the answer."""
    answer = posts(seller, content, **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    check_lines(answer)
    return [json.loads(line) for line in answer.text.splitlines()]


def totals(line: Line) -> dict[str, int]:
    """Return the totals of a line that are not 0, and check that their sum is the number of rows."""
    names = ("rows", "stored", "unchanged", "never", "empty", "unknown", "rejected", "decided")
    found = {name: line[name] for name in names}
    assert found["rows"] == sum(found.values()) - found["rows"] - found["decided"]
    return {name: number for name, number in found.items() if number}
