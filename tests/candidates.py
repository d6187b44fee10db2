"""Calls that store candidates and matches of a user, and what their tests have in common."""

from typing import Any, Final

from tests.callers import Caller

__all__ = [
    "FULL", "GTIN", "OTHER_UPC", "UPC", "A", "B", "C", "Document", "adds", "asin_number", "candidates_of", "dismisses",
    "listed", "puts", "remembers",
]  # fmt: skip

UPC: Final = "036000291452"
OTHER_UPC: Final = "012345678905"
GTIN: Final = "00036000291452"
"""The identifier `UPC` as a match contains it."""

A, B, C = "B00000000A", "B00000000B", "B00000000C"
FULL: Final = {
    "asin": A, "title": "Lamp", "brand": "Lux", "image_url": "https://a.example/1.jpg", "category": "Home",
    "package_quantity": 2, "sales_rank": 1500, "source": "Look-up",
}  # fmt: skip
"""A candidate with all fields."""

Document = dict[str, Any]


def asin_number(number: int) -> str:
    """Return one of many different ASINs."""
    return f"B{number:09}"


def puts(caller: Caller, product_id: str, *asins: str, accept_single: bool = False) -> Document:
    """Replace the candidates of a product by these ASINs and return the product."""
    document: Document = caller.changes(
        "put_candidates",
        p_product_id=product_id,
        p_candidates=[{"asin": asin} for asin in asins],
        p_accept_single=accept_single,
    )
    return document


def adds(caller: Caller, *rows: Document, **arguments: object) -> Document:
    """Add rows with line numbers from 2 on, as in a file, and return the answer without zeros."""
    numbered = [{"line": line, **row} for line, row in enumerate(rows, start=2)]
    answer: Document = caller.changes("add_candidates", p_rows=numbered, **arguments)
    assert answer.keys() == {"stored", "unchanged", "never", "empty", "unknown", "refused", "decided"}
    outcomes = ("stored", "unchanged", "never", "empty", "unknown")
    assert sum(answer[name] for name in outcomes) + len(answer["refused"]) == len(rows)
    return {name: value for name, value in answer.items() if value}


def listed(document: Document) -> list[str]:
    """Return the ASINs of the candidates in order, dismissed ones with a minus."""
    return [("-" if each["dismissed"] else "") + each["asin"] for each in document["candidates"]]


def candidates_of(caller: Caller, product_id: str) -> list[str]:
    """Return the ASINs of the stored candidates of a product; see `listed`."""
    return listed(caller.gets("get_product", p_product_id=product_id))


def dismisses(caller: Caller, product_id: str, *asins: str) -> None:
    """Mark candidates of a product as dismissed, with the caller's own token."""
    where = {"product_id": f"eq.{product_id}", "asin": f"in.({','.join(asins)})"}
    assert caller.http.patch("/candidates", params=where, json={"dismissed": True}).is_success


def remembers(caller: Caller, asin: str, verdict: str, gtin: str = GTIN) -> None:
    """Store a match, with the caller's own token."""
    assert caller.http.post("/matches", json={"gtin": gtin, "asin": asin, "verdict": verdict}).is_success
