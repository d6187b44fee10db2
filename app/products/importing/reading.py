"""The rows of a CSV text, each with the line it starts in.

However a file is made, little of it is held in memory, and what it costs grows with its characters and its rows alone.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from app.products.errors import UnreadableFileError
from app.products.importing import columns
from app.products.importing.pacing import breathe

LONGEST_ROW: Final = 100_000
"""Characters; the longest row that holds only what we take has about 6 000."""

_DELIMITERS: Final = ",;\t"
_BLOCK: Final = 1 << 14  # characters; what one call of the regular expression engine looks at holds other threads up


@dataclass(frozen=True, slots=True)
class RawRow:
    """The cells of a row and the line it starts in; `fault` says why there are none."""

    line: int
    cells: list[str]
    fault: str = ""


class _Lines:
    """The lines of a text as `csv.reader` asks for them; too many characters for one row are an error of that row.

    Blank lines between rows are passed over many at a time: they cost a file nothing, so they must not cost us much. A
    class, because the reader goes on asking after an error, and a generator that raised has ended.

    Attributes:
        start: the line in which the last row starts.
        number: the line up to which the text was read.

    """

    def __init__(self, text: io.TextIOBase, delimiter: str) -> None:
        self._pieces = _pieces(text, delimiter)
        self._left, self._between = LONGEST_ROW, True
        self.start = self.number = 0

    def start_row(self) -> None:
        """Begin to count characters; blank lines that come next belong to no row."""
        self._left, self._between = LONGEST_ROW, True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        for piece in self._pieces:
            line = piece[0]
            if piece.lastindex is None:
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
        while line[-1] not in "\r\n" and (piece := next(self._pieces, None)):
            line = piece[0]
            self.number += line[-1] in "\r\n"


def _pieces(text: io.TextIOBase, delimiter: str) -> Iterator[re.Match[str]]:
    """Yield a text piece by piece: a line, or (its only group) a run of blank ones, or a part of an endless line.

    A run may be part of a quoted cell: that is for the reader to decide. It goes on with it as with a line.
    """
    piece = re.compile(rf"([\s{re.escape(delimiter)}]*[\r\n])|[^\r\n]+(?:\r\n?|\n)?")
    rest = ""
    while block := text.read(_BLOCK):
        breathe()
        block = rest + block
        # A carriage return that comes last may be the first half of a line end.
        end = max(block.rfind("\n"), block.rfind("\r", 0, -1)) + 1
        if not end and len(block) > LONGEST_ROW + 1:
            end = len(block) - 1
        yield from piece.finditer(block, 0, end)
        rest = block[end:]
    yield from piece.finditer(rest)


def _line_ends(run: str) -> int:
    return run.count("\n") + run.count("\r") - run.count("\r\n")


def delimiter_of(text: io.TextIOWrapper) -> str:
    """Return the delimiter that makes most sense of the header: a `sep=` line's, else that with most known columns."""
    text.seek(0)
    head = text.read(2 * LONGEST_ROW)
    first = re.split("[\r\n]", head, maxsplit=1)[0].strip()
    if first.lower().startswith("sep=") and len(first) == 5 and first[4] != '"':
        return first[4]

    def sense(delimiter: str) -> tuple[int, int]:
        header = next((row.cells for row in _rows(io.StringIO(head, newline=""), delimiter)), [])
        return columns.known(header), len(header)

    return max(_DELIMITERS, key=sense)


def raw_rows(text: io.TextIOWrapper, delimiter: str) -> Iterator[RawRow]:
    """Yield each row that is not blank, the header first."""
    text.seek(0)
    return _rows(text, delimiter)


def header_of(rows: Iterator[RawRow]) -> columns.Columns:
    """Take the header off `rows`. Raises UnreadableFileError."""
    first = next(rows, None)
    if first is None:
        raise UnreadableFileError("The file has no rows.")
    if first.fault:
        raise UnreadableFileError(f"The first row cannot be read: {first.fault}.")
    return columns.understand(first.cells)


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
            if "".join(cells).strip() and not (lines.start == 1 and _names_separator(cells, delimiter)):
                yield RawRow(lines.start, cells)


def _names_separator(cells: list[str], delimiter: str) -> bool:
    return delimiter.join(cells).strip().lower() == f"sep={delimiter}".strip()


def _fault(start: int, end: int) -> str:
    passed = f"; lines {start} to {end} were passed over" if end > start else ""
    return f"Its quotation marks do not match, or it has more than {LONGEST_ROW:,} characters{passed}"
