"""Check a file, then write it in batches. Each batch is one transaction, followed by an invalidation of the cache."""

import logging
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from app import audit
from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.metrics.catalogue import IMPORTED_ROWS, IMPORTS
from app.products.importing.columns import NAMES
from app.products.importing.sheet import MAX_MISTAKES, Mistake, Note, Sheet
from app.products.repository import Document, Repository
from app.products.stats import changing_stats

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class Totals:
    """The numbers of rows so far, by result.

    Attributes:
        rows: all rows that were processed; the sum of the other numbers.
        created: rows that created a deal.
        updated: rows that changed a deal, restored a deleted one, or filled empty fields of its product.
        unchanged: rows that contained nothing new.
        repeated: rows that were ignored because a later row of the file is for the same deal.
        rejected: rows that could not be imported. Each has at least one `Mistake`.

    """

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    repeated: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """How many rows of the file have been checked. Nothing is written until all are checked."""

    rows: int


@dataclass(slots=True)
class Import:
    """The import of one sheet for one user.

    Attributes:
        sheet: the rows to import.
        repository: the products and deals of the user for whom the rows are imported.
        dry_run: report what would happen, and change nothing.
        totals: the results so far. After an exception they count what was committed.
        unlisted: how many mistakes were found in addition to the `MAX_MISTAKES` that are yielded.

    """

    sheet: Sheet
    repository: Repository
    dry_run: bool
    totals: Totals = field(default_factory=Totals)
    unlisted: int = 0
    _listed: int = 0
    _outcome: str = "stopped: the client disconnected"

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Log and count the import when the block ends, even by an exception: the outcome, and what was committed."""
        started = time.monotonic()
        try:
            yield
        finally:
            counts = " ".join(f"{name}={number}" for name, number in self.document().items())
            logger.info("import for %s %s; dry_run=%s %s", self.repository.user_id, self._outcome, self.dry_run, counts)
            outcome = "ok" if self._outcome == "finished" else "failed"
            audit.record("import", outcome, user=self.repository.user_id, dry_run=self.dry_run, rows=self.totals.rows)
            if not self.dry_run:
                self._measure(outcome, time.monotonic() - started)

    def _measure(self, outcome: str, seconds: float) -> None:
        IMPORTS.observe(seconds, outcome)
        for result, number in self.document().items():
            if result != "rows":  # the sum of the others
                IMPORTED_ROWS.add(number, result)

    def events(self) -> Iterator[Checked | Mistake | Note | Totals]:
        """Check the file and write it. Yields the progress, the mistakes, the notes, and the totals after each batch.

        Raises:
            DatabaseUnavailableError: a batch was not sent; or, as OutcomeUnknownError, it may have been committed.
            DatabaseRefusalError: the database refused a batch.

        """
        for rows in self.sheet.check():
            yield Checked(rows)
        self.totals.rows = self.totals.rejected = self.sheet.rejected
        self.unlisted = self.sheet.unlisted
        yield from self._first_mistakes(self.sheet.mistakes())
        yield from self.sheet.notes()
        with closing(_prefetched(self.sheet.batches())) as batches:
            for batch in batches:
                try:
                    refused = self._write(batch)
                except (DatabaseUnavailableError, DatabaseRefusalError) as error:
                    self._outcome = f"stopped: {error}"
                    raise
                yield from self._first_mistakes(refused)
                yield self.totals
        self._outcome = "finished"

    def _first_mistakes(self, mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
        """Yield mistakes until `MAX_MISTAKES` have been yielded in total, and count the others."""
        for mistake in mistakes:
            if self._listed < MAX_MISTAKES:
                self._listed += 1
                yield mistake
            else:
                self.unlisted += 1

    def _write(self, batch: list[Document]) -> list[Mistake]:
        """Write one batch, add its results to the totals, and return the mistakes that the database found."""
        if self.dry_run:
            imported = self.repository.import_deals(batch, dry_run=True)
        else:
            with changing_stats(self.repository.user_id):
                imported = self.repository.import_deals(batch, dry_run=False)
        self.totals.rows += len(batch)
        self.totals.created += imported.created
        self.totals.updated += imported.updated
        self.totals.unchanged += imported.unchanged
        self.totals.repeated += imported.repeated
        self.totals.rejected += len(imported.refused)
        return [Mistake(line, self._column(column), reason) for line, column, reason in imported.refused]

    def _column(self, name: str) -> str:
        return self.sheet.columns.name(name) if name in NAMES else ""

    def document(self) -> dict[str, int]:
        """Return the totals as a dictionary for JSON."""
        return asdict(self.totals)


def _prefetched(items: Iterator[T]) -> Generator[T, None, None]:
    """Yield the items of `items`. A thread computes the next one while the caller processes the current one."""
    with ThreadPoolExecutor(1, thread_name_prefix="import") as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item
