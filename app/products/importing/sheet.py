"""Store the checked rows of a file on disk, in SQLite, so that storing and sorting them does not cost memory."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from app.products.importing.columns import Columns
from app.products.importing.kinds import Fields, Remark
from app.products.importing.pacing import one_at_a_time, pause_if_due
from app.products.importing.tables import Table

BATCH: Final = 1000
"""Rows of one transaction. A batch has a few more when its last rows belong together, fewer when its rows are long."""
MAX_MISTAKES: Final = 1000
"""Maximum number of listed mistakes, and of listed notes. 200,000 rows of 12 fields could have millions; the response
must be bounded."""

_MAX_OVERSIZE: Final = 4  # rows that belong together may make a batch this many times longer
_BATCH_CHARACTERS: Final = 1 << 19  # the same limit for its text, which is parsed in one step that blocks other threads
_PROGRESS_ROWS: Final = 10_000  # about 0.5 s between two reports; only then is a disconnected client noticed
_SCHEMA: Final = """
    pragma journal_mode = off;
    pragma synchronous = off;
    create table row (position integer primary key, key1 text, key2 text, key3 text, fields text not null);
    create table mistake (line integer, field text, reason text not null);
    create table note (line integer, field text, note text not null);
"""
# Rows that belong together (see `SheetKind.keys`) come together, in the order of the file, so that one transaction
# decides how they affect each other. A second key assigns its rows to the first of the first keys that occur with it.
_GROUPED: Final = """
    with linked as (select key2, key1, min(position) from row where key2 <> '' and key1 <> '' group by key2),
    identified as (
        select row.position, coalesce(linked.key1, nullif(row.key1, ''), nullif(row.key2, ''), row.key3) as product
        from row left join linked using (key2)
    ),
    ordered as (select position, min(position) over (partition by product) as first from identified)
    select ordered.first, (select fields from row where row.position = ordered.position)
    from ordered order by first, position
"""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in one cell, or in the whole row if `column` is empty. `line` is the line in which the row starts."""

    line: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """What an accepted row was read as. `line` is the line in which the row starts."""

    line: int
    column: str
    note: str


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A checked row: its fields and the `notes` on them, or its `faults`."""

    line: int
    fields: Fields
    faults: tuple[Remark, ...] = ()
    notes: tuple[Remark, ...] = ()


class Sheet:
    """The rows of one file. First exhaust `check`, then read `mistakes`, `notes` and `batches`, then `close` it.

    Attributes:
        columns: the header.
        table: the file that contains the rows.
        total: the number of rows, including rejected ones.
        checked: how many rows have been checked.
        rejected: how many checked rows cannot be imported.
        unlisted: how many mistakes are counted but not returned by `mistakes`.
        unlisted_notes: how many notes are counted but not returned by `notes`.

    """

    def __init__(
        self,
        columns: Columns,
        rows: Iterator[CheckedRow],
        *,
        keys: Callable[[Fields], tuple[str, str, str]],
        table: Table,
        total: int,
    ) -> None:
        """Start with no row checked. Iterating over `rows` checks the `total` rows of `table`; `keys` groups them."""
        self.columns, self.table, self.total, self._keys = columns, table, total, keys
        self.checked = self.rejected = self.unlisted = self._listed = 0
        self.unlisted_notes = self._listed_notes = 0
        self._rows = rows
        # Used by several threads, but never at the same time: one prefetches batches, another one closes the sheet.
        self._disk = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._disk.executescript(_SCHEMA)

    def close(self) -> None:
        """Free the disk space and close the file."""
        self._disk.close()
        self.table.close()

    def check(self) -> Iterator[int]:
        """Check all rows. Yields the number of checked rows from time to time."""
        before = -1
        while before < self.checked < self.total:
            before = self.checked
            with one_at_a_time():
                self._add(islice(self._rows, _PROGRESS_ROWS))
            if self.checked < self.total:
                yield self.checked

    def _add(self, rows: Iterable[CheckedRow]) -> None:
        self._disk.execute("begin")
        for row in rows:
            pause_if_due()
            self.checked += 1
            if row.faults:
                self._reject(row)
            else:
                self._disk.execute("insert into row values (?, ?, ?, ?, ?)", self._entry(row))
                self._note(row)
        self._disk.execute("commit")

    def _reject(self, row: CheckedRow) -> None:
        self.rejected += 1
        free = MAX_MISTAKES - self._listed
        listed = row.faults[:free]
        self._listed += len(listed)
        self.unlisted += len(row.faults) - len(listed)
        entries = [(row.line, self.columns.name(field) if field else "", why) for field, why in listed]
        self._disk.executemany("insert into mistake values (?, ?, ?)", entries)

    def _note(self, row: CheckedRow) -> None:
        listed = row.notes[: MAX_MISTAKES - self._listed_notes]
        self._listed_notes += len(listed)
        self.unlisted_notes += len(row.notes) - len(listed)
        for field, note in listed:
            self._disk.execute("insert into note values (?, ?, ?)", (row.line, self.columns.name(field), note))

    def mistakes(self) -> Iterator[Mistake]:
        """Yield the first `MAX_MISTAKES` mistakes in the rejected rows, in the order of the file."""
        for line, column, reason in self._disk.execute("select line, field, reason from mistake order by rowid"):
            yield Mistake(line, column, reason)

    def notes(self) -> Iterator[Note]:
        """Yield the first `MAX_MISTAKES` notes on accepted rows, in the order of the file."""
        for line, column, note in self._disk.execute("select line, field, note from note order by rowid"):
            yield Note(line, column, note)

    def batches(self) -> Iterator[list[Fields]]:
        """Yield the accepted rows, about `BATCH` at a time. Each row contains its line number."""
        batch: list[str] = []
        previous, size = None, 0
        for first, fields in self._disk.execute(_GROUPED):
            full = max(len(batch) / BATCH, size / _BATCH_CHARACTERS)
            if full >= 1 and (first != previous or full >= _MAX_OVERSIZE):
                yield _parsed(batch)
                batch, size = [], 0
            batch.append(fields)
            previous, size = first, size + len(fields)
        if batch:
            yield _parsed(batch)

    def _entry(self, row: CheckedRow) -> tuple[int, str, str, str, str]:
        return self.checked, *self._keys(row.fields), _encode({"line": row.line, **row.fields})


_encode: Final = json.JSONEncoder(separators=(",", ":")).encode  # `json.dumps` with options creates an encoder per call


def _parsed(documents: list[str]) -> list[Fields]:
    """Parse all documents in one call, which takes half the time."""
    parsed: list[Fields] = json.loads(f"[{','.join(documents)}]")
    return parsed
