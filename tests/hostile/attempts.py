"""What a hostile request is, and how its bytes are put together."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tests.hostile.cast import Actor

EVIL: Final = "evil.example"
"""The host that every attempt to send somebody elsewhere names."""

PROBE: Final = "<xss-probe>"
"""Markup that no page may contain unescaped."""

INJECTED: Final = "x-injected"
"""The header that every attempt to smuggle one into an answer names."""

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One hostile request.

    Attributes:
        kind: what made it, for the report.
        raw: the bytes that are sent.
        method: decides how the answer is read (an answer to HEAD has no body).
        author: whose identity it carries; None: nobody's.
        complete: whether an answer is due. Nothing need come back for a request that was cut off.
        loose: the bytes may be several requests, or none: everything that comes back is read.
        refused: an answer that reports success is a mistake.

    """

    kind: str
    raw: bytes
    method: str = "GET"
    author: Actor | None = None
    complete: bool = True
    loose: bool = False
    refused: bool = False


def rendered(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """Return a request; `Content-Length` is added where a body has no framing of its own.

    Text that Latin-1 lacks is sent as UTF-8; lone surrogates too, as the three bytes no decoder takes.
    """
    given = list(headers)
    names = {name.lower() for name, _ in given}
    if not names & {"content-length", "transfer-encoding"} and (body or method in {"POST", "PUT", "PATCH"}):
        given.append(("Content-Length", str(len(body))))
    if "host" not in names:
        given.insert(0, ("Host", "desk.example"))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given), "", ""]
    return as_bytes("\r\n".join(lines)) + body


def as_bytes(text: str) -> bytes:
    """Return Latin-1 where that suffices, else UTF-8 with surrogates let through."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def chunked(body: bytes, *sizes: int) -> bytes:
    """Return `body` in chunks of these sizes, and the rest in one, with the final chunk."""
    rest, parts = body, list[bytes]()
    for size in sizes:
        parts, rest = [*parts, rest[:size]], rest[size:]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, rest] if part) + b"0\r\n\r\n"
