"""A seller who imports a file of several batches, deletes all its rows, and imports them again."""

import http.client
import itertools
from typing import TYPE_CHECKING, Final

from tests.freshness.history import Kind
from tests.sellers import Seller

if TYPE_CHECKING:
    from tests.freshness.load import Load

_BATCHES: Final = (1000, 1000, 200)
"""The numbers of rows in each batch. A batch is one transaction (`app.products.importing.sheet.BATCH`)."""
_TITLE: Final = "Imported"
_PAUSE: Final = 1.0  # seconds before each import; the embedded database makes all other requests wait meanwhile

_numbers: Final = itertools.count(1)


class Importer:
    """A thread of a seller that imports a file, and deletes the rows again, so that the database does not grow."""

    def __init__(self, load: "Load", seller: Seller) -> None:
        """Make requests for `seller`, recorded by `load`."""
        self._load, self._seller = load, seller
        rows = "\n".join(f"{_TITLE},BI{number:08d}" for number in range(sum(_BATCHES)))
        self._file = f"title,asin\n{rows}\n"
        self._deals = list[str]()

    def work(self) -> None:
        """Import and delete, until the load stops or an outcome is unknown.

        Rows of unknown outcome are not imported again: the lost request could still delete or restore them.
        """
        while not self._load.pause(_PAUSE) and self._load.may_write():
            name = f"import {next(_numbers)}"
            if not self._import(name) or not self._delete(name):
                return

    def _import(self, name: str) -> bool:
        request, csv = ("POST", "/products/import", self._file), {"Content-Type": "text/csv"}
        batches = {f"{name}/{number}": amount for number, amount in enumerate(_BATCHES)}
        reply = self._load.change(Kind.CREATE, self._seller, batches, request, **csv)
        self._load.read(self._seller)
        return reply.status == http.client.OK

    def _delete(self, name: str) -> bool:
        """Delete as many deals as each batch has, with one request for each batch."""
        self._deals = self._deals or self._listed()
        if len(self._deals) != sum(_BATCHES):
            return False
        deals = iter(self._deals)
        for number, amount in enumerate(_BATCHES):
            body = {"action": "delete", "deal_ids": list(itertools.islice(deals, amount))}
            request = ("POST", "/products/bulk-action", body)
            reply = self._load.change(Kind.DELETE, self._seller, {f"{name}/{number}": amount}, request)
            self._load.read(self._seller)
            if reply.status != http.client.OK:
                return False
        return True

    def _listed(self) -> list[str]:
        """Return the ids of all imported deals, or none if the list could not be read."""
        found, path = list[str](), f"/products?limit=200&search={_TITLE}"
        while True:
            reply = self._load.get(self._seller, path)
            if reply.status != http.client.OK:
                return []
            found += [item["id"] for item in reply.document["items"]]
            if reply.document["next_cursor"] is None:
                return found
            path = f"/products?limit=200&search={_TITLE}&cursor={reply.document['next_cursor']}"
