"""Files that are kept in the database between the steps of an import, and the columns that a user has chosen.

Each step may reach another instance, so a folder cannot keep the file.
"""

import base64
import binascii
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final
from uuid import UUID

from app.products import results
from app.products.errors import UnreadableFileError
from app.products.repository import Repository

_PIECE_BYTES: Final = 700_000  # in base64 fewer than the million characters that the database allows
_BLOCK: Final = 1 << 18
_DAMAGED: Final = "The kept file is damaged. Choose it again."


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A kept file.

    Attributes:
        id: its identifier.
        name: its name at the user.
        pieces: the number of its pieces.
        report: the report about the latest run with it; None if there was none.

    """

    id: UUID
    name: str
    pieces: int
    report: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """The kept files and the chosen columns of one user. They are no deals, so no change of them is announced."""

    repository: Repository

    def keep(self, file: IO[bytes], name: str) -> UUID:
        """Keep a file, compressed, and return its id. The newest three of a user are kept, for two hours.

        Raises what `Database.change` raises.
        """
        file_id: str | None = None
        for piece in _pieces(file):
            named = {"p_file_id": file_id} if file_id else {"p_name": name}
            answer = self._change("keep_import_file", p_content=piece, **named)
            file_id = str(results.done(answer, "file_id")["file_id"])
        return UUID(file_id)

    def find(self, file_id: UUID) -> KeptFile:
        """Return a kept file. Raises NotFoundError."""
        answer = self.repository.read("get_import_file", p_file_id=str(file_id))
        found = results.found(answer, "file", "name", "pieces", "report")
        return KeptFile(file_id, found["name"], found["pieces"], found["report"])

    def open(self, kept: KeptFile, *, at_most: int) -> IO[bytes]:
        """Return the content of a kept file. The caller closes it.

        Raises:
            NotFoundError: it is no longer kept.
            UnreadableFileError: it is damaged, or larger than `at_most` bytes.

        """
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        try:
            for block in _unpacked(map(self._piece, [kept.id] * kept.pieces, range(kept.pieces)), at_most):
                file.write(block)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def report(self, file_id: UUID, report: dict[str, Any] | None) -> None:
        """Keep the report about a run with a file; None while it runs. Raises what `Database.change` raises."""
        self._change("keep_import_report", p_file_id=str(file_id), p_report=report)

    def remember(self, header: str, fields: Sequence[str]) -> None:
        """Remember the fields that the user has chosen for the columns of a header."""
        self._change("remember_columns", p_header=header, p_fields=list(fields))

    def remembered(self, header: str) -> list[str]:
        """Return the fields that the user has chosen for the columns of a header; nothing without a choice."""
        answer = self.repository.read("remembered_columns", p_header=header)
        return [] if answer is None else list(results.document(answer, "fields")["fields"])

    def _piece(self, file_id: UUID, place: int) -> str:
        answer = self.repository.read("get_import_piece", p_file_id=str(file_id), p_place=place)
        return str(results.found(answer, "file", "content")["content"])

    def _change(self, function: str, **arguments: object) -> Any:  # noqa: ANN401 - any JSON
        return self.repository.database.change(self.repository.token, function, arguments)


def _pieces(file: IO[bytes]) -> Iterator[str]:
    """Yield a file, compressed and in base64, in pieces. There is at least one."""
    packing, packed = zlib.compressobj(1), b""
    file.seek(0)
    while block := file.read(_BLOCK):
        packed += packing.compress(block)
        while len(packed) >= _PIECE_BYTES:
            yield base64.b64encode(packed[:_PIECE_BYTES]).decode()
            packed = packed[_PIECE_BYTES:]
    yield base64.b64encode(packed + packing.flush()).decode()


def _unpacked(pieces: Iterator[str], at_most: int) -> Iterator[bytes]:
    """Yield the content of pieces in bounded blocks. Raises UnreadableFileError, also over `at_most` bytes."""
    unpacking, size = zlib.decompressobj(), 0
    try:
        for piece in pieces:
            packed = base64.b64decode(piece, validate=True)
            while packed:
                block = unpacking.decompress(packed, _BLOCK)
                size += len(block)
                if size > at_most:
                    raise UnreadableFileError(_DAMAGED)
                yield block
                packed = unpacking.unconsumed_tail
    except (binascii.Error, zlib.error):
        raise UnreadableFileError(_DAMAGED) from None
