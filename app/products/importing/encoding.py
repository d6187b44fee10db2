"""Decode the bytes of a file: UTF-8, UTF-16 with a byte order mark, or Windows-1252."""

import codecs
import io
import re
from collections.abc import Iterator
from typing import IO, Final

from app.products.errors import UnreadableFileError
from app.products.importing.pacing import pause_if_due

_CHUNK_BYTES: Final = 1 << 14  # small, because one call of a decoder or of a regular expression blocks other threads
_BOMS: Final = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_INVALID: Final = re.compile("[\udc80-\udcff]")  # "surrogateescape" decodes an invalid byte to one of these
_NON_ASCII: Final = re.compile("[^\0-\x7f\udc80-\udcff]")


def open_text(file: IO[bytes]) -> io.TextIOWrapper:
    """Return the text of a seekable file, with its line ends. Invalid bytes become lone surrogates.

    Raises:
        UnreadableFileError: the file is empty, or invalid UTF-16.

    """
    file.seek(0)
    start = file.read(4)
    if not start:
        raise UnreadableFileError("The file is empty.")
    encoding = next((name for bom, name in _BOMS.items() if start.startswith(bom)), None) or _encoding_without_bom(file)
    errors = "surrogatepass" if encoding == "utf-16" else "surrogateescape"
    if encoding == "utf-16":
        _check_utf_16(file)
    file.seek(0)
    return io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")


def _encoding_without_bom(file: IO[bytes]) -> str:
    """Return utf-8 if it has no invalid bytes, or fewer than valid non-ASCII characters. Otherwise return cp1252."""
    invalid = non_ascii = 0
    for text in _decoded(file, "utf-8", "surrogateescape"):
        if not text.isascii():
            invalid += len(_INVALID.findall(text))
            non_ascii += len(_NON_ASCII.findall(text))
    return "utf-8" if invalid == 0 or invalid < non_ascii else "cp1252"


def _check_utf_16(file: IO[bytes]) -> None:
    try:
        for _ in _decoded(file, "utf-16", "surrogatepass"):
            pass
    except UnicodeDecodeError:
        raise UnreadableFileError("The file starts as UTF-16 but is not valid. Save it again as UTF-8.") from None


def _decoded(file: IO[bytes], encoding: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        pause_if_due()
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)
