"""The rows of a CSV text, each with the line it starts in. However a file is made, little of it is held in memory."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from app.products.importing import columns
from app.products.importing.encoding import UnreadableFileError

LONGEST_ROW: Final = 100_000
"""Characters; the longest row that holds only what we take has about 6 000."""

_DELIMITERS: Final = ",;\t"


@dataclass(frozen=True, slots=True)
class RawRow:
    """The cells of a row and the line it starts in; `fault` says why there are none."""

    line: int
    cells: list[str]
    fault: str = ""


class _Lines:
    """The lines of a text as `csv.reader` asks for them; too many characters for one row are an error of that row.

    A class, because the reader goes on asking after an error, and a generator that raised has ended.
    """

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self._left = LONGEST_ROW
        self.number = 0

    def start_row(self) -> int:
        """Begin to count; return the line that comes next."""
        self._left = LONGEST_ROW
        return self.number + 1

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._left + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._left -= len(line)
        if self._left < 0:
            self._skip_rest(line)
            raise csv.Error("too long")
        return line

    def _skip_rest(self, line: str) -> None:
        while line and line[-1] not in "\r\n":
            line = self._text.readline(LONGEST_ROW)


def delimiter_of(text: io.TextIOWrapper) -> str:
    """Return the delimiter that makes most sense of the header: a `sep=` line's, else that with most known columns."""
    text.seek(0)
    first = text.readline(LONGEST_ROW).strip()
    if first.lower().startswith("sep=") and len(first) == 5:
        return first[4]

    def sense(delimiter: str) -> tuple[int, int]:
        header = _first(text, delimiter)
        return columns.known(header), len(header)

    return max(_DELIMITERS, key=sense)


def raw_rows(text: io.TextIOWrapper, delimiter: str) -> Iterator[RawRow]:
    """Yield each row that is not blank, the header first."""
    text.seek(0)
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = lines.start_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield RawRow(start, [], _fault(start, lines.number))
        else:
            if any(cell.strip() for cell in cells) and not (start == 1 and _names_separator(cells, delimiter)):
                yield RawRow(start, cells)


def header_of(rows: Iterator[RawRow]) -> columns.Columns:
    """Take the header off `rows`. Raises UnreadableFileError."""
    first = next(rows, None)
    if first is None:
        raise UnreadableFileError("The file has no rows.")
    if first.fault:
        raise UnreadableFileError(f"The first row cannot be read: {first.fault}.")
    return columns.understand(first.cells)


def _first(text: io.TextIOWrapper, delimiter: str) -> list[str]:
    return next((row.cells for row in raw_rows(text, delimiter)), [])


def _names_separator(cells: list[str], delimiter: str) -> bool:
    return delimiter.join(cells).strip().lower() == f"sep={delimiter}".strip()


def _fault(start: int, end: int) -> str:
    passed = f"; lines {start} to {end} were passed over" if end > start else ""
    return f"Its quotation marks do not match, or it has more than {LONGEST_ROW:,} characters{passed}"
