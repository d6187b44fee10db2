"""Split a CSV text into rows. Each row has the number of the line in which it starts.

For any file, only a small part is in memory at a time, and the CPU time is linear in its characters and rows.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Self

from app.products.importing.columns import Layout
from app.products.importing.pacing import pause_if_due

MAX_ROW_LENGTH: Final = 100_000
"""Characters. The longest valid row has about 6,000."""

_DELIMITERS: Final = ",;\t"
_COMPARED_ROWS: Final = 20
_COMPARED_LINES: Final = 500
_BLOCK: Final = 1 << 14  # characters; small, because one call of the regular expression engine blocks other threads


@dataclass(frozen=True, slots=True)
class RawRow:
    """The cells of a row, and the line in which it starts. A row that cannot be read has no cells and a `fault`."""

    line: int
    cells: list[str]
    fault: str = ""


class _Lines:
    """The iterator of lines that `csv.reader` reads. A row with too many characters raises an error for that row.

    Blank lines between rows are skipped many at a time, because a small upload can contain very many of them. This is a
    class and not a generator, because the reader continues after an error, and a generator cannot.

    Attributes:
        start: the number of the line in which the last row starts.
        number: the number of the last line that was read.

    """

    def __init__(self, text: io.TextIOBase, delimiter: str) -> None:
        self._segments = _segments(text, delimiter)
        self._left, self._between = MAX_ROW_LENGTH, True
        self.start = self.number = 0

    def start_row(self) -> None:
        """Reset the character count. Blank lines before the next row belong to no row."""
        self._left, self._between = MAX_ROW_LENGTH, True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        for segment in self._segments:
            line = segment[0]
            if segment.lastindex is None:
                ends = int(line[-1] in "\r\n")
            else:
                ends = _line_ends(line)
                if self._between:
                    self.number += ends
                    continue
            if self._between:
                self.start, self._between = self.number + 1, False
            self.number += ends
            self._left -= len(line)
            if self._left < 0:
                self._skip_rest(line)
                raise csv.Error("too long")
            return line
        raise StopIteration

    def _skip_rest(self, line: str) -> None:
        while line[-1] not in "\r\n" and (segment := next(self._segments, None)):
            line = segment[0]
            self.number += line[-1] in "\r\n"


def _segments(text: io.TextIOBase, delimiter: str) -> Iterator[re.Match[str]]:
    """Split a text into lines, runs of blank lines (the only group), and parts of lines that are too long.

    A run of blank lines may be inside a quoted cell. The caller decides that, and then handles the run like a line.
    """
    segment = re.compile(rf"([\s{re.escape(delimiter)}]*[\r\n])|[^\r\n]+(?:\r\n?|\n)?")
    rest = ""
    while block := text.read(_BLOCK):
        pause_if_due()
        block = rest + block
        # A carriage return at the end of the block may be the first half of a line end.
        end = max(block.rfind("\n"), block.rfind("\r", 0, -1)) + 1
        if not end and len(block) > MAX_ROW_LENGTH + 1:
            end = len(block) - 1
        yield from segment.finditer(block, 0, end)
        rest = block[end:]
    yield from segment.finditer(rest)


def _line_ends(run: str) -> int:
    return run.count("\n") + run.count("\r") - run.count("\r\n")


def delimiter_of(text: io.TextIOWrapper, layout: Layout) -> str:
    """Return the delimiter of a `sep=` line, otherwise the one with which a row has most recognized columns.

    Only the first rows are compared, because one of them is the header. They are searched in a bounded number of lines,
    because a file may have any number of blank rows.
    """
    text.seek(0)
    head = text.read(2 * MAX_ROW_LENGTH)
    first = re.split("[\r\n]", head, maxsplit=1)[0].strip()
    if first.lower().startswith("sep=") and len(first) == 5 and first[4] != '"':
        return first[4]

    head = "".join(islice(io.StringIO(head, newline=""), _COMPARED_LINES))

    def recognized(delimiter: str) -> tuple[int, int]:
        rows = islice(_rows(io.StringIO(head, newline=""), delimiter), _COMPARED_ROWS)
        return max(((layout.count_recognized(row.cells), len(row.cells)) for row in rows), default=(0, 0))

    return max(_DELIMITERS, key=recognized)


def raw_rows(text: io.TextIOWrapper, delimiter: str) -> Iterator[RawRow]:
    """Return an iterator of the rows that are not blank."""
    text.seek(0)
    return _rows(text, delimiter)


def _rows(text: io.TextIOBase, delimiter: str) -> Iterator[RawRow]:
    lines = _Lines(text, delimiter)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.start_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield RawRow(lines.start, [], _fault(lines.start, lines.number))
        else:
            if "".join(cells).strip() and not (lines.start == 1 and _is_sep_line(cells, delimiter)):
                yield RawRow(lines.start, cells)


def _is_sep_line(cells: list[str], delimiter: str) -> bool:
    return delimiter.join(cells).strip().lower() == f"sep={delimiter}".strip()


def _fault(start: int, end: int) -> str:
    skipped = f"; lines {start} to {end} were skipped" if end > start else ""
    return f"The quotation marks do not match, or the row has more than {MAX_ROW_LENGTH:,} characters{skipped}"
