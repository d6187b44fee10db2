"""Check a file, then write it batch by batch: each is one transaction, and the numbers are fresh after each."""

import logging
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from app import audit
from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.products.importing.columns import NAMES
from app.products.importing.sheet import MOST_MISTAKES, Mistake, Sheet
from app.products.repository import Document, Repository
from app.products.stats import changing_stats

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class Totals:
    """What became of the rows so far.

    Attributes:
        rows: all that were looked at; the other numbers sum to it.
        created: made a new deal.
        updated: changed a deal, brought a deleted one back, or filled something in that its product lacked.
        unchanged: said nothing new.
        repeated: were for a deal that a later row of the file is for; that one counts.
        rejected: could not be taken; each has at least one `Mistake`.

    """

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    repeated: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """How many rows of the file have been checked; nothing is written before all are."""

    rows: int


@dataclass(slots=True)
class Import:
    """The import of one sheet for one user.

    Attributes:
        sheet: what to write.
        repository: the products and deals of the user for whom the rows are imported.
        dry_run: find out what would happen, and change nothing.
        totals: what has happened so far. After an exception they tell what was committed.
        unlisted: how many mistakes were found beyond the `MOST_MISTAKES` that are yielded.

    """

    sheet: Sheet
    repository: Repository
    dry_run: bool
    totals: Totals = field(default_factory=Totals)
    unlisted: int = 0
    _listed: int = 0
    _outcome: str = "stopped: whoever asked for it went away"

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Log one line on the way out, however that comes about: how it ended, and what was committed."""
        try:
            yield
        finally:
            counts = " ".join(f"{name}={number}" for name, number in self.document().items())
            logger.info("import for %s %s; dry_run=%s %s", self.repository.user_id, self._outcome, self.dry_run, counts)
            outcome = "ok" if self._outcome == "finished" else "failed"
            audit.record("import", outcome, user=self.repository.user_id, dry_run=self.dry_run, rows=self.totals.rows)

    def events(self) -> Iterator[Checked | Mistake | Totals]:
        """Check the file and write it; yield how far that is, the mistakes found, and the totals after each batch.

        Raises:
            DatabaseUnavailableError: before a batch, or (OutcomeUnknownError) not knowing whether it was committed.
            DatabaseRefusalError: the database would not take a batch.

        """
        for rows in self.sheet.check():
            yield Checked(rows)
        self.totals.rows = self.totals.rejected = self.sheet.rejected
        self.unlisted = self.sheet.unlisted
        yield from self._few(self.sheet.mistakes())
        with closing(_ahead(self.sheet.batches())) as batches:
            for batch in batches:
                try:
                    refused = self._write(batch)
                except (DatabaseUnavailableError, DatabaseRefusalError) as error:
                    self._outcome = f"stopped: {error}"
                    raise
                yield from self._few(refused)
                yield self.totals
        self._outcome = "finished"

    def _few(self, mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
        """Yield mistakes until there have been `MOST_MISTAKES` of them in all; count the others."""
        for mistake in mistakes:
            if self._listed < MOST_MISTAKES:
                self._listed += 1
                yield mistake
            else:
                self.unlisted += 1

    def _write(self, batch: list[Document]) -> list[Mistake]:
        """Write one batch, count it, and return what was refused of it."""
        if self.dry_run:
            done = self.repository.import_deals(batch, dry_run=True)
        else:
            with changing_stats(self.repository.user_id):
                done = self.repository.import_deals(batch, dry_run=False)
        self.totals.rows += len(batch)
        self.totals.created += done.created
        self.totals.updated += done.updated
        self.totals.unchanged += done.unchanged
        self.totals.repeated += done.repeated
        self.totals.rejected += len(done.refused)
        return [Mistake(line, self._column(column), reason) for line, column, reason in done.refused]

    def _column(self, name: str) -> str:
        return self.sheet.columns.name(name) if name in NAMES else ""

    def document(self) -> dict[str, int]:
        """Return the totals for JSON."""
        return asdict(self.totals)


def _ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """Yield what `items` yields, the next being made in a thread while the one before is dealt with."""
    with ThreadPoolExecutor(1, thread_name_prefix="import") as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
