"""Uploaded files. A file is first written to disk completely, so that its size does not cost memory.

This also avoids a deadlock with clients that send the whole request before they read any of the response.
"""

import functools
import shutil
import tempfile
from collections.abc import Callable, Collection
from typing import IO, Final, ParamSpec

from flask import request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from app.problems import FieldError, Kind, Problem

P = ParamSpec("P")

FIELD: Final = "file"
"""The name of the form field that holds the file."""

_CHUNK_BYTES: Final = 1 << 18
_FORM_BYTES: Final = 1 << 16  # what a form may need in addition to its file


def takes_files(at_most: int) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """Allow requests to a view to have a form with a file of `at_most` bytes.

    This must be the outermost decorator, because the CSRF check of a browser's request reads the form.
    """

    def decorate(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @functools.wraps(view)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            request.max_content_length = at_most + _FORM_BYTES
            return view(*args, **kwargs)

        return wrapper

    return decorate


def uploaded(media_types: Collection[str], *, at_most: int) -> IO[bytes]:
    """Return the uploaded file: the request body, or the field `file` of a form. It is on disk, at its start.

    The caller closes it.

    Raises:
        Problem: 415 for another media type, 413 over `at_most` bytes, 422 without a file, 400 when it is incomplete.

    """
    if request.mimetype == "multipart/form-data":
        return _field(at_most)
    if request.mimetype not in media_types:
        accepted = ", ".join([*media_types, "multipart/form-data"])
        raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, f"Send a file as {accepted}.", headers={"Accept": accepted})
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        _spool(file, at_most)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _spool(file: IO[bytes], at_most: int) -> None:
    """Write the body to `file`. A chunked body declares no length, so its bytes are counted."""
    request.max_content_length = at_most + 1  # one byte more than allowed, to detect a body that is too large
    size = 0
    try:
        while size <= at_most and (chunk := request.stream.read(_CHUNK_BYTES)):
            size += file.write(chunk)
    except RequestEntityTooLarge:
        raise _too_large(at_most) from None
    except ClientDisconnected:
        raise _incomplete() from None
    if size > at_most:
        raise _too_large(at_most)
    if request.content_length not in {None, size}:
        raise _incomplete()


def _field(at_most: int) -> IO[bytes]:
    try:
        files = request.files.getlist(FIELD)
    except RequestEntityTooLarge:
        raise _too_large(at_most) from None
    if len(files) != 1 or not files[0].filename:
        wanted = f"Send one file, in the field {FIELD!r}."
        raise Problem(Kind.INVALID_FIELDS, wanted, errors=[FieldError(f"/{FIELD}", wanted)])
    sent = files[0].stream
    if sent.seek(0, 2) > at_most:
        raise _too_large(at_most)
    sent.seek(0)
    # A copy, because the file of a form is closed with the request, before a streamed response is complete.
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    shutil.copyfileobj(sent, file, _CHUNK_BYTES)
    file.seek(0)
    return file


def _too_large(at_most: int) -> Problem:
    return Problem(Kind.FILE_TOO_LARGE, f"The file is larger than {at_most:,} bytes; nothing was changed.")


def _incomplete() -> Problem:
    return Problem(Kind.INCOMPLETE_BODY, "The file ended before its declared length; nothing was changed.")
