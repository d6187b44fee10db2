"""The HTTP response of a list: one page, links to the first and the next page, and on request the total."""

from typing import Any

from flask import Response, request, url_for

from app.api import preference
from app.products.documents import page_response
from app.products.repository import Repository
from app.products.schemas import ListQuery


def list_response(repository: Repository, wanted: ListQuery) -> Response:
    """Return one page of deals. Raises what `Repository.list_deals` raises.

    With `Prefer: count=estimated` the document has the members `total` and `total_is_exact`.
    """
    page = repository.list_deals(wanted)
    document: dict[str, Any] = {"items": page.items, "next_cursor": page.next_cursor}
    headers = {"Link": page_links("products.list_products", page.next_cursor)}
    if preference("count") == "estimated":
        total = repository.count_deals(wanted)
        document |= {"total": total.deals, "total_is_exact": total.is_exact}
        headers["Preference-Applied"] = "count=estimated"
    return page_response(document, {**headers, "Vary": "Prefer"})


def page_links(endpoint: str, next_cursor: str | None) -> str:
    """Return the header Link: the addresses of the first and the next page (RFC 8288), with the filters of this one."""
    asked = request.args.to_dict()
    asked.pop("cursor", None)
    pages = {"first": asked} | ({"next": asked | {"cursor": next_cursor}} if next_cursor else {})
    addresses = {name: url_for(endpoint, **query) for name, query in pages.items()}  # type: ignore[arg-type]
    return ", ".join(f'<{address}>; rel="{name}"' for name, address in addresses.items())
