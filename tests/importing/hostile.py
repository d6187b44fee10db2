"""Difficult cell texts, files designed to be expensive to read, and a measurement of the cost of reading a file."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from app.products.importing import DEALS, MAX_ROWS, SheetKind, TooManyRowsError, UnreadableFileError, open_sheet

_SPECIAL: Final = "=+-@'\"\t\r\n,;\\ ＝éß€漢😀'a0."  # noqa: RUF001 - on purpose
CELL_TEXTS: Final = st.one_of(
    st.text(alphabet=_SPECIAL, max_size=12),
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.sampled_from(
        ["=1+1", "'=1+1", "''", "@SUM(A1)", "-5", '="x"', "sep=;", '"', "'", "a\r\nb", "a;=1", "\u2028", "null"]
    ),
)
"""Any text that the database can store, with special characters of spreadsheets, CSV and databases preferred."""

HEADER: Final = b"ASIN,UPC,Title,Supplier,Cost,MOQ,Stage,Favorite,Notes\n"
_WIDE_HEADER: Final = ("\ufeff" + HEADER.decode()).encode("utf-16-le")
_EVERY_FIELD_WRONG: Final = b"a,b,,,c,d,e,f,\n"

SHAPES: Final[dict[str, Callable[[int], bytes]]] = {
    "blank lines": lambda size: HEADER + b"\n" * size,
    "carriage returns": lambda size: HEADER + b"\r" * size,
    "blank lines before the header": lambda size: b"\r\n" * (size // 2) + HEADER,
    "lines of delimiters": lambda size: HEADER + b",,,,\n" * (size // 5),
    "one line of delimiters": lambda size: HEADER + b"," * size,
    "lines of empty quotes": lambda size: HEADER + b'""\n' * (size // 3),
    "one cell": lambda size: HEADER + b"x" * size,
    "one quoted cell": lambda size: HEADER + b'"' + b"x" * size,
    "one quoted cell of blank lines": lambda size: HEADER + b'"' + b"\n" * size,
    "quotation marks": lambda size: HEADER + b'"' * size,
    "quotation marks on lines": lambda size: HEADER + b'"\n' * (size // 2),
    "wide rows": lambda size: HEADER + (b"x," * 49_000 + b"\n") * max(1, size // 98_000),
    "wide rows of quotes": lambda size: HEADER + (b'"",' * 30_000 + b"x\n") * max(1, size // 90_000),
    "a wide header": lambda size: b"Title," + b"x," * (size // 2) + b"\nA\n",
    "a long name": lambda size: b"Title" + b" " * min(size, 99_000) + b"-,Cost\n" + b"A,x\n" * 20_000,
    "long numbers": lambda size: HEADER + (b"1," + b"1." * 40_000 + b",,," + b"1 " * 9000 + b"\n") * (size // 98_000),
    "long codes": lambda size: HEADER + (b"," + b"1 .0" * 24_000 + b",x\n") * (size // 96_000),
    "every field wrong": lambda size: HEADER + _EVERY_FIELD_WRONG * min(size // len(_EVERY_FIELD_WRONG), MAX_ROWS),
    "bytes that are not text": lambda size: HEADER + b"\x81" * size,
    "bytes that are not text on lines": lambda size: HEADER + b"\x81\n" * min(size // 2, MAX_ROWS),
    "UTF-16 of lone surrogates": lambda size: _WIDE_HEADER + b"\x00\xd8" * (size // 2),
    "UTF-16 of line ends": lambda size: _WIDE_HEADER + b"\r\0" * (size // 2),
    "NULs": lambda size: HEADER + b"\0" * size,
    "byte order marks": lambda size: HEADER + b"\xef\xbb\xbf" * (size // 3),
    "wide characters": lambda size: HEADER + "漢".encode() * (size // 3),
    "wide spaces": lambda size: HEADER + "\u3000\n".encode() * (size // 4),
}  # fmt: skip

_TOKENS: Final = [
    b'"', b'""', b"\n", b"\r", b"\r\n", b",", b";", b"\t", b" ", b"\0", b"x", b"1", b".", b"=", b"'", b"-", b"e9",
    b"\x81",
    "é".encode(), "漢".encode(), "\u3000".encode(), b"\xef\xbb\xbf", b"\xff\xfe", b"\x00\xd8", b",x,1\n", b'"x","y"\n',
]  # fmt: skip


def structures(size: int) -> st.SearchStrategy[bytes]:
    """Return files of about `size` bytes: a few tokens, each repeated, and the whole sequence repeated."""
    run = st.tuples(st.sampled_from(_TOKENS), st.sampled_from([1, 1, 2, 3, 30, 1000, 50_000]))
    start = st.sampled_from([b"", HEADER, HEADER, b"Title\n", b"sep=|\nTitle|Cost\n", b"\xff\xfe"])
    return st.builds(
        lambda head, runs: head + _filled(b"".join(token * count for token, count in runs), size),
        start,
        st.lists(run, min_size=1, max_size=6),
    )


def _filled(pattern: bytes, size: int) -> bytes:
    return (pattern * (size // len(pattern) + 1))[:size]


def ordinary_file(size: int) -> bytes:
    """Return an ordinary seller's file of about `size` bytes."""
    row = "B{0:09},{0:012},Stainless steel lamp number {0},Acme {1},{1}.50,12,new,yes,Usually in stock\n"
    count = size // len(row.format(10**5, 10))
    return HEADER + "".join(row.format(number, number % 90) for number in range(count)).encode()


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a file: CPU seconds, its size in bytes, its rows, and the characters of its report."""

    seconds: float
    size: int
    rows: int
    reported: int


def cost_of(content: bytes, kind: SheetKind = DEALS) -> Cost:
    """Read and validate a file of a kind as an import does before the first write."""
    file = io.BytesIO(content)
    rows = reported = 0
    started = time.thread_time()
    try:
        sheet = open_sheet(file, kind)
    except TooManyRowsError:
        rows = MAX_ROWS
    except UnreadableFileError as error:
        reported = len(str(error))
    else:
        for _ in sheet.check():
            pass
        rows = sheet.total
        reported = sum(len(mistake.column) + len(mistake.reason) for mistake in sheet.mistakes())
        reported += sum(map(len, sheet.columns.names))
        sheet.close()
    return Cost(time.thread_time() - started, len(content), rows, reported)


def relative_cost(cost: Cost, usual: Cost) -> float:
    """Return the ratio of `cost` to that of an ordinary file with the same number of bytes or rows."""
    return cost.seconds / (usual.seconds * max(cost.size / usual.size, cost.rows / usual.rows))
