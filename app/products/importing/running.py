"""Check a file, then write it in batches. Each batch is one transaction, followed by an invalidation of the cache."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from app import audit
from app.database import DatabaseRefusalError, DatabaseUnavailableError
from app.metrics.instruments import Counter, Histogram
from app.products.importing.kinds import Fields
from app.products.importing.sheet import MAX_MISTAKES, Mistake, Note, Sheet

logger = logging.getLogger(__name__)

Refused = tuple[int, str, str]
"""The line, field and reason of a row that the database did not accept."""


class RowTotals(Protocol):
    """The numbers of rows so far, by result: a dataclass of numbers.

    Attributes:
        rows: all rows that were processed; the sum of the numbers of rows by result.
        rejected: rows that could not be used. Each has at least one `Mistake`.

    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    rows: int
    rejected: int


T = TypeVar("T")
TotalsT = TypeVar("TotalsT", bound=RowTotals)


@dataclass(frozen=True, slots=True)
class Checked:
    """How many rows of the file have been checked. Nothing is written until all are checked."""

    rows: int


class Records(NamedTuple):
    """Where runs of one kind are recorded.

    Attributes:
        name: their name in both logs.
        runs: the metric of runs by result.
        rows: the metric of rows by result.
        besides: the names of totals that are no numbers of rows by result.

    """

    name: str
    runs: Histogram
    rows: Counter
    besides: frozenset[str] = frozenset()


@dataclass(slots=True)
class Run(ABC, Generic[TotalsT]):
    """Checks one sheet and writes it for one user. A subclass says how a batch is written.

    Attributes:
        records: where the run is recorded.
        sheet: the rows to write.
        totals: the results so far. After an exception they count what was committed.
        unlisted: how many mistakes were found in addition to the `MAX_MISTAKES` that are yielded.

    """

    records: ClassVar[Records]

    sheet: Sheet
    totals: TotalsT = field(init=False)
    unlisted: int = field(default=0, init=False)
    _listed: int = field(default=0, init=False)
    _outcome: str = field(default="stopped: the client disconnected", init=False)

    @property
    @abstractmethod
    def user_id(self) -> str:
        """The user for whom the rows are written."""

    @property
    @abstractmethod
    def options(self) -> dict[str, bool]:
        """The options of the run, for its report. With the option `dry_run`, nothing is changed."""

    @property
    def outcome(self) -> dict[str, str | None]:
        """What the last line of the report has in addition to the totals."""
        return {}

    @abstractmethod
    def write(self, batch: list[Fields]) -> list[Refused]:
        """Write one batch, and add its results to the totals, except for `rows` and `rejected`.

        Raises:
            DatabaseUnavailableError: the batch was not sent; or, as OutcomeUnknownError, it may have been committed.
            DatabaseRefusalError: the database refused the batch.

        """

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Log and count the run when the block ends, even by an exception: the outcome, and what was committed."""
        started = time.monotonic()
        try:
            yield
        finally:
            given = {**self.options, **self.document()}
            words = " ".join(f"{name}={value}" for name, value in given.items())
            logger.info("%s for %s %s; %s", self.records.name, self.user_id, self._outcome, words)
            outcome = "ok" if self._outcome == "finished" else "failed"
            audit.record(self.records.name, outcome, user=self.user_id, **self.options, rows=self.totals.rows)
            if not self.options.get("dry_run"):
                self._measure(outcome, time.monotonic() - started)

    def _measure(self, outcome: str, seconds: float) -> None:
        self.records.runs.observe(seconds, outcome)
        for result, number in self.document().items():
            if result != "rows" and result not in self.records.besides:  # `rows` is the sum of the others
                self.records.rows.add(number, result)

    def events(self) -> Iterator[Checked | Mistake | Note | TotalsT]:
        """Check the file and write it. Yields the progress, the mistakes, the notes, and the totals after each batch.

        Raises what `write` raises.
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
                    refused = self._written(batch)
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

    def _written(self, batch: list[Fields]) -> list[Mistake]:
        """Write one batch, add its results to the totals, and return the mistakes that the database found."""
        refused = self.write(batch)
        self.totals.rows += len(batch)
        self.totals.rejected += len(refused)
        return [Mistake(line, self.sheet.columns.name(name), reason) for line, name, reason in refused]

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
