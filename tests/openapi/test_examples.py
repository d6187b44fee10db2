"""The examples of the OpenAPI document are real: this test sends their requests and gets such answers.

`RECORD_EXAMPLES=1` writes the examples anew, from the answers of the running application.
"""

import json
import os
import re
from collections.abc import Iterator
from typing import Any, Final

import httpx

from app.openapi.examples import FILE
from local.application import AppServer
from local.stack import Stack
from tests.clients import client
from tests.openapi.contract import contract
from tests.sellers import CACHE_STATUS, STATS, Seller, make_operator, new_seller

_PRODUCT: Final = {
    "title": "Desk lamp", "asin": "B0CZ7J2X9Q", "brand": "Lux", "supplier": "Acme", "buy_cost": "12.50", "moq": 6,
}  # fmt: skip
_CANDIDATES: Final = [
    {"asin": "B000000007", "title": "Desk lamp, brass", "brand": "Lux", "package_quantity": 1, "sales_rank": 1204},
    {"asin": "B000000008", "title": "Desk lamp, brass, 2 pieces", "package_quantity": 2, "source": "Keepa"},
]
_CSV: Final = "ASIN,Title,Supplier,Cost\nB000000009,Lamp,Bolt,3.20\nB0,Desk,,\n"
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")


def test_the_examples_are_what_the_application_answers(stack: Stack, server: AppServer) -> None:
    """They have the same members with the same types. Ids, times and measured numbers differ in each run."""
    with new_seller(stack.supabase, server.url) as seller, client(server.url) as anonymous:
        make_operator(stack.supabase, seller)
        recorded = _normalized(_grouped(_recorded(seller, anonymous)))
    if "RECORD_EXAMPLES" in os.environ:
        FILE.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n", "utf-8")
    written = json.loads(FILE.read_text("utf-8"))
    assert _shape(written) == _shape(recorded), "write the examples anew: set RECORD_EXAMPLES=1 and run this test"


def test_the_examples_fit_the_document() -> None:
    """Each example is valid for the schema next to it."""
    found = list(_examples(contract().document))
    assert len(found) > 20
    assert [mistake for schema, example in found for mistake in contract().json_mistakes(schema, example)] == []


def _recorded(seller: Seller, anonymous: httpx.Client) -> Iterator[tuple[str, httpx.Response]]:
    """Send the requests of the examples. Yields the operation and the answer of each."""
    http = seller.http
    yield "create_product", (made := http.post("/products", json=_PRODUCT))
    deal = made.json()
    yield "create_product", http.post("/products", json={**_PRODUCT, "moq": 12})
    yield "list_products", http.get("/products", params={"limit": 1})
    yield "get_product", http.get(f"/products/{deal['product_id']}")
    yield "get_product", http.get(f"/products/{seller.id}")
    yield "update_product", http.patch(f"/products/{deal['product_id']}", json={"upc": "012345678905"})
    yield "update_deal", http.patch(f"/products/deal/{deal['id']}", json={"stage": "ordered", "favorite": True})
    yield from _matching(http, deal["product_id"])
    yield "asin_status", http.get(STATS)
    yield "cache_status", http.get(CACHE_STATUS)
    yield "redis_report", http.get("/diagnostics/redis")
    http.post("/products", json={"title": "Chair", "upc": "12345670"})
    yield "create_product", http.post("/products", json={"title": "Lamp", "asin": "B0CZ7J2X9Q", "upc": "12345670"})
    yield "create_product", http.post("/products", json={"title": "Lamp", "asin": "B0", "buy_cost": -1})
    yield "create_product", anonymous.post("/products", json={"title": "Lamp"})
    deleting = {"action": "delete", "deal_ids": [deal["id"]]}
    yield "bulk_action", (deleted := http.post("/products/bulk-action", json=deleting))
    yield "undo_batch", http.post(f"/products/batches/{deleted.json()['batch_id']}/undo")
    yield "bulk_action", http.post("/products/bulk-action", json=deleting)
    restoring = {"action": "restore", "filter": {"asin_status": "asin_found"}}
    yield "bulk_action_matching", http.post("/products/bulk-action/matching", json=restoring)
    yield "bulk_action", http.post("/products/bulk-action", json=deleting)
    yield "update_deal", http.patch(f"/products/deal/{deal['id']}", json={"stage": "ordered", "favorite": True})
    yield "import_products", http.post("/products/import", content=_CSV, headers={"Content-Type": "text/csv"})
    yield "export_products", http.get("/products/export")
    yield "healthz", anonymous.get("/healthz")
    yield "readyz", anonymous.get("/readyz")


def _matching(http: httpx.Client, known: str) -> Iterator[tuple[str, httpx.Response]]:
    """Decide about two new products. `known` is the product with the ASIN B0CZ7J2X9Q."""
    product = http.post("/products", json={"title": "Brass lamp", "upc": "73513537", "supplier": "Bolt"}).json()
    path = f"/products/{product['product_id']}"
    yield "put_candidates", http.put(f"{path}/candidates", json={"candidates": _CANDIDATES})
    found = [{"upc": "73513537", "asin": "B000000006", "source": "Keepa"}, {"upc": "96385074", "asin": "B000000009"}]
    yield "import_candidates", http.post("/products/candidates", json=found)
    yield "next_in_queue", http.get("/products/queue", params={"asin_status": "needs_selection"})
    yield "decide_asin", http.post(f"{path}/asin", json={"asin": "B000000007", "remember": "always"})
    yield "decide_asin", http.post(f"{path}/asin", json={"asin": "B000000008"})
    yield "list_matches", http.get("/matches")
    history = http.get(path).json()["history"]
    yield "undo_decision", http.post(f"/products/decisions/{history[0]['id']}/undo")
    rows = [{"upc": "73513537", "asin": "B0CZ7J2X9Q"}, {"upc": "12345670", "asin": "B000000009"}]
    yield "bulk_asin", http.post("/products/bulk-asin", json={"rows": rows})
    yield "merge_product", http.post(f"{path}/merge", json={"into": known})
    yield "merge_product", http.post(f"{path}/merge", json={"into": known})
    yield "forget_match", http.delete("/matches/73513537/B000000007")


def _grouped(answers: Iterator[tuple[str, httpx.Response]]) -> dict[str, Any]:
    """Return the first request of each operation, and its last answer with each status code."""
    found: dict[str, Any] = {}
    for operation, answer in answers:
        parts = found.setdefault(operation, {})
        if answer.request.content:
            parts.setdefault("request", _content(answer.request))
        parts[str(answer.status_code)] = _content(answer)
    return found


def _content(message: httpx.Request | httpx.Response) -> Any:  # noqa: ANN401 - any JSON
    is_document = message.headers["Content-Type"] in {"application/json", "application/problem+json"}
    return json.loads(message.content) if is_document else message.content.decode("utf-8-sig")


def _normalized(examples: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Return the examples with small ids and one time, so that recording them again changes little."""
    text = json.dumps(examples)
    for number, found in enumerate(dict.fromkeys(_UUID.findall(text)), 1):
        text = text.replace(found, f"00000000-0000-4000-8000-{number:012d}")
    return json.loads(_TIME.sub("2026-11-28T09:30:00+00:00", text))


def _shape(value: object) -> object:
    """Return `value` with the type of each scalar in place of it. Lists are as their first item."""
    if isinstance(value, dict):
        return {name: _shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value[:1]]
    return "number" if isinstance(value, int | float) else type(value).__name__


def _examples(part: object) -> Iterator[tuple[dict[str, Any], object]]:
    """Yield each schema of the document that has an example, with the example."""
    if isinstance(part, dict):
        if "example" in part and "schema" in part:
            yield part["schema"], part["example"]
        for value in part.values():
            yield from _examples(value)
