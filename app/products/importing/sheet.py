"""The checked rows of a file on disk until they are written: SQLite, so that neither number nor order costs memory."""

import io
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from app.products.importing.columns import Columns
from app.products.importing.pacing import breathe, taking_turns

BATCH: Final = 1000
"""Rows that are written in one transaction, a few more when they belong together, fewer when they are long."""
MOST_MISTAKES: Final = 1000
"""As many are listed, of 200 000 rows with a dozen fields: more would help nobody, and fill an answer without bound."""

_MOST_TOGETHER: Final = 4  # times that
_BATCH_CHARACTERS: Final = 1 << 19  # the same for texts: parsing them is one step, which holds other threads up
_SLICE: Final = 10_000  # rows, about half a second: so soon it is noticed that whoever asked has gone
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
    """The rows of one file: checked slice by slice, then read in the order they are to be written. Close it.

    Attributes:
        columns: the header.
        encoding: of the file.
        total: how many rows it has, the rejected ones included.
        checked: how many of them have been checked.
        rejected: how many of these cannot be taken.
        unlisted: how many mistakes in them are counted but not among `mistakes()`.

    """

    def __init__(self, columns: Columns, rows: Iterator[CheckedRow], *, source: io.TextIOWrapper, total: int) -> None:
        """Begin with no row checked; `rows` checks the `total` rows of `source` as it is iterated."""
        self.columns, self.encoding, self.total = columns, source.encoding, total
        self.checked = self.rejected = self.unlisted = self._listed = 0
        self._rows, self._source = rows, source
        # Used by one thread after the other: batches are made ahead, and whoever ends the response closes.
        self._disk = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._disk.executescript(_SCHEMA)

    def close(self) -> None:
        """Give the disk back, and close the file."""
        self._disk.close()
        self._source.close()

    def check(self) -> Iterator[int]:
        """Check all rows; yield, between slices of them, how many have been checked. Exhaust it before reading them."""
        before = -1
        while before < self.checked < self.total:
            before = self.checked
            with taking_turns():
                self._add(islice(self._rows, _SLICE))
            if self.checked < self.total:
                yield self.checked

    def _add(self, rows: Iterable[CheckedRow]) -> None:
        self._disk.execute("begin")
        for row in rows:
            breathe()
            self.checked += 1
            if row.faults:
                self._reject(row)
            else:
                self._disk.execute("insert into row values (?, ?, ?, ?, ?)", self._entry(row))
        self._disk.execute("commit")

    def _reject(self, row: CheckedRow) -> None:
        self.rejected += 1
        room = MOST_MISTAKES - self._listed
        listed = row.faults[:room]
        self._listed += len(listed)
        self.unlisted += len(row.faults) - len(listed)
        entries = [(row.line, self.columns.name(field) if field else "", why) for field, why in listed]
        self._disk.executemany("insert into mistake values (?, ?, ?)", entries)

    def mistakes(self) -> Iterator[Mistake]:
        """Yield what is wrong with the rejected rows, from top to bottom; the first `MOST_MISTAKES`."""
        for line, column, reason in self._disk.execute("select line, field, reason from mistake order by rowid"):
            yield Mistake(line, column, reason)

    def batches(self) -> Iterator[list[Fields]]:
        """Yield the good rows, about `BATCH` at a time; each says its line."""
        batch: list[str] = []
        previous, size = None, 0
        for first, fields in self._disk.execute(_TOGETHER):
            full = max(len(batch) / BATCH, size / _BATCH_CHARACTERS)
            if full >= 1 and (first != previous or full >= _MOST_TOGETHER):
                yield _parsed(batch)
                batch, size = [], 0
            batch.append(fields)
            previous, size = first, size + len(fields)
        if batch:
            yield _parsed(batch)

    def _entry(self, row: CheckedRow) -> tuple[int, str, str, str, str]:
        fields = row.fields
        otherwise = fields.get("product_id") or f"{fields.get('title', '')}\n{fields.get('brand', '')}".casefold()
        document = _encode({"line": row.line, **fields})
        return self.checked, fields.get("asin", ""), fields.get("upc", ""), otherwise, document


_encode: Final = json.JSONEncoder(separators=(",", ":")).encode  # `json.dumps` with an option makes one for each row


def _parsed(documents: list[str]) -> list[Fields]:
    """Parse them all in one go, in half the time."""
    parsed: list[Fields] = json.loads(f"[{','.join(documents)}]")
    return parsed
