"""The checked rows of a file on disk until they are written: SQLite, so that neither number nor order costs memory."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from app.products.importing.columns import Columns

BATCH: Final = 1000
"""Rows that are written in one transaction, a few more when they belong together."""

_LARGEST_BATCH: Final = 4000
_SCHEMA: Final = """
    pragma journal_mode = off;
    pragma synchronous = off;
    create table row (place integer primary key, asin text, upc text, otherwise text, fields text not null);
    create table mistake (line integer, field text, reason text not null);
"""
# Rows that can touch the same product come together, in the order of the file; whatever one changes for another is then
# decided in one transaction. A UPC ties its rows to the first ASIN that is named beside it.
_TOGETHER: Final = """
    with tied as (select upc, asin, min(place) from row where upc <> '' and asin <> '' group by upc),
    placed as (
        select row.place, coalesce(tied.asin, nullif(row.asin, ''), nullif(row.upc, ''), row.otherwise) as product
        from row left join tied using (upc)
    ),
    ordered as (select place, min(place) over (partition by product) as first from placed)
    select ordered.first, (select fields from row where row.place = ordered.place) from ordered order by first, place
"""

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with one cell, or (`column` empty) with a whole row. `line` is where the row starts."""

    line: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row as it was read: its fields, or what is wrong with it by field."""

    line: int
    fields: Fields
    faults: tuple[tuple[str, str], ...] = ()


class Sheet:
    """The checked rows of one file. Close it; its temporary file goes with it.

    Attributes:
        columns: the header.
        encoding: of the file.
        total: how many rows it has, the rejected ones included.
        rejected: how many of them cannot be taken.

    """

    def __init__(self, columns: Columns, *, encoding: str) -> None:
        """Begin an empty one."""
        self.columns, self.encoding = columns, encoding
        self.total = self.rejected = 0
        # Closed by whichever thread ends the response.
        self._disk = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._disk.executescript(_SCHEMA)

    def close(self) -> None:
        """Give the disk back."""
        self._disk.close()

    def add(self, rows: Iterable[CheckedRow]) -> None:
        """Put further rows below the others."""
        self._disk.execute("begin")
        for row in rows:
            self.total += 1
            if row.faults:
                self.rejected += 1
                entries = [(row.line, self.columns.name(field) if field else "", why) for field, why in row.faults]
                self._disk.executemany("insert into mistake values (?, ?, ?)", entries)
            else:
                self._disk.execute("insert into row values (?, ?, ?, ?, ?)", self._entry(row))
        self._disk.execute("commit")

    def mistakes(self) -> Iterator[Mistake]:
        """Yield what is wrong with the rejected rows, from top to bottom."""
        for line, column, reason in self._disk.execute("select line, field, reason from mistake order by rowid"):
            yield Mistake(line, column, reason)

    def batches(self) -> Iterator[list[Fields]]:
        """Yield the good rows, about `BATCH` at a time; each says its line."""
        batch: list[str] = []
        previous = None
        for first, fields in self._disk.execute(_TOGETHER):
            if len(batch) >= BATCH and (first != previous or len(batch) >= _LARGEST_BATCH):
                yield _parsed(batch)
                batch = []
            batch.append(fields)
            previous = first
        if batch:
            yield _parsed(batch)

    def _entry(self, row: CheckedRow) -> tuple[int, str, str, str, str]:
        fields = row.fields
        otherwise = fields.get("product_id") or f"{fields.get('title', '')}\n{fields.get('brand', '')}".casefold()
        document = _encode({"line": row.line, **fields})
        return self.total, fields.get("asin", ""), fields.get("upc", ""), otherwise, document


_encode: Final = json.JSONEncoder(separators=(",", ":")).encode  # `json.dumps` with an option makes one for each row


def _parsed(documents: list[str]) -> list[Fields]:
    """Parse them all in one go, in half the time."""
    parsed: list[Fields] = json.loads(f"[{','.join(documents)}]")
    return parsed
