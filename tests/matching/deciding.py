"""What a seller does to give products their ASINs, over HTTP."""

from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.barcodes import upc
from tests.sellers import Seller

UNKNOWN_ID: Final = "00000000-0000-4000-8000-000000000000"
STALE: Final = '"00000000000000000000000000000000"'


@dataclass(frozen=True, slots=True)
class Decider:
    """A seller who decides about the ASINs of products."""

    seller: Seller

    def product(self, number: int, **fields: object) -> dict[str, Any]:
        """Create a product with the UPC of this number and one deal, and return the product."""
        deal = self.seller.creates(**{"upc": upc(number), "supplier": "Acme", **fields})
        return self.sees(deal["product_id"])

    def sees(self, product_id: str) -> dict[str, Any]:
        """Return a product."""
        answer = self.seller.http.get(f"/products/{product_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def proposes(self, product_id: str, *asins: str, accept_single: bool = False, **headers: str) -> httpx.Response:
        """Replace the candidates of a product by candidates with these ASINs."""
        return self.seller.http.put(
            f"/products/{product_id}/candidates", json={"candidates": [{"asin": asin} for asin in asins]},
            params={"accept_single": True} if accept_single else {}, headers=_named(headers),
        )  # fmt: skip

    def chooses(self, product_id: str, asin: str, *, remember: bool = False, **headers: str) -> httpx.Response:
        """Give a product this ASIN."""
        body = {"asin": asin, **({"remember": "always"} if remember else {})}
        return self.seller.http.post(f"/products/{product_id}/asin", json=body, headers=_named(headers))

    def dismisses(self, product_id: str, *, remember: bool = False, **headers: str) -> httpx.Response:
        """Decide that none of the candidates of a product is right."""
        body = {"none": True, **({"remember": "never"} if remember else {})}
        return self.seller.http.post(f"/products/{product_id}/asin", json=body, headers=_named(headers))

    def merges(self, product_id: str, into: str, **headers: str) -> httpx.Response:
        """Merge a product into another one."""
        return self.seller.http.post(f"/products/{product_id}/merge", json={"into": into}, headers=_named(headers))

    def undoes(self, decision_id: str, **headers: str) -> httpx.Response:
        """Undo a decision."""
        return self.seller.http.post(f"/products/decisions/{decision_id}/undo", headers=_named(headers))

    def decides_many(self, rows: list[dict[str, Any]], **members: str) -> list[dict[str, Any]]:
        """Send many decisions and return the outcome of each."""
        return _results(self.seller.http.post("/products/bulk-asin", json={"rows": rows, **members}))

    def pastes(self, text: str, **query: str) -> list[dict[str, Any]]:
        """Send many decisions as lines of text and return the outcome of each."""
        headers = {"Content-Type": "text/plain"}
        return _results(self.seller.http.post("/products/bulk-asin", content=text, params=query, headers=headers))

    def queue(self, status: str, **query: str) -> dict[str, Any]:
        """Return the next product of a queue and its cursor."""
        answer = self.seller.http.get("/products/queue", params={"asin_status": status, **query})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def matches(self, **query: str | int) -> dict[str, Any]:
        """Return a page of the matches."""
        answer = self.seller.http.get("/matches", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def ok(answer: httpx.Response) -> dict[str, Any]:
    """Return the document of an answer that must be 200."""
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def asins(product: dict[str, Any], *, dismissed: bool = False) -> list[str]:
    """Return the ASINs of the candidates that are open, or of those that are dismissed."""
    return [candidate["asin"] for candidate in product["candidates"] if candidate["dismissed"] is dismissed]


def _results(answer: httpx.Response) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = ok(answer)["results"]
    return results


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
