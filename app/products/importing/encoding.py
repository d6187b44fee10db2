"""Find the text in the bytes of a file: UTF-8, UTF-16 with a byte order mark, or Windows-1252."""

import codecs
import io
import re
from collections.abc import Iterator
from typing import IO, Final

from app.products.errors import UnreadableFileError
from app.products.importing.pacing import breathe

_CHUNK_BYTES: Final = 1 << 14  # what one call of a decoder or a regular expression looks at holds other threads up
_BOMS: Final = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # xlsx and ods; xls
_STRAY: Final = re.compile("[\udc80-\udcff]")  # what "surrogateescape" makes of a byte that does not fit
_WIDE: Final = re.compile("[^\0-\x7f\udc80-\udcff]")


def open_text(file: IO[bytes]) -> io.TextIOWrapper:
    """Return the text of a seekable file, line ends untouched. What cannot be decoded becomes a lone surrogate.

    Raises:
        UnreadableFileError: it is empty, a workbook, or broken UTF-16.

    """
    file.seek(0)
    start = file.read(4)
    if not start:
        raise UnreadableFileError("The file is empty.")
    if start in _WORKBOOKS:
        raise UnreadableFileError("This is a workbook; save the sheet as CSV first.")
    encoding = next((name for bom, name in _BOMS.items() if start.startswith(bom)), None) or _without_mark(file)
    errors = "surrogatepass" if encoding == "utf-16" else "surrogateescape"
    if encoding == "utf-16":
        _check_whole(file)
    file.seek(0)
    return io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")


def _without_mark(file: IO[bytes]) -> str:
    """Return utf-8 when the bytes are that, but for fewer stray ones than there are good wide characters."""
    strays = wide = 0
    for text in _decoded(file, "utf-8", "surrogateescape"):
        if not text.isascii():
            strays += len(_STRAY.findall(text))
            wide += len(_WIDE.findall(text))
    return "utf-8" if strays == 0 or strays < wide else "cp1252"


def _check_whole(file: IO[bytes]) -> None:
    try:
        for _ in _decoded(file, "utf-16", "surrogatepass"):
            pass
    except UnicodeDecodeError:
        raise UnreadableFileError("The file starts as UTF-16 but is broken; save it again, as UTF-8.") from None


def _decoded(file: IO[bytes], encoding: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        breathe()
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)
