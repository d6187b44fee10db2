"""Hostile requests and their bytes on the wire."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tests.hostile.actors import Actor

EVIL_HOST: Final = "evil.example"
"""The host of every attempted redirect to another site."""

XSS_PROBE: Final = "<xss-probe>"
"""Markup that no page may contain without escaping."""

INJECTED_HEADER: Final = "x-injected"
"""The response header that every attempted header injection tries to add."""

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One hostile request.

    Attributes:
        kind: name of the kind of request, for the report.
        raw: the bytes to send.
        method: the request method. It decides how the answer is read: an answer to HEAD has no body.
        author: the actor whose identity the request carries; None for an anonymous request.
        complete: whether an answer is required. A truncated request may stay unanswered.
        ambiguous: whether the bytes may be any number of requests. All answers are then read.
        must_fail: whether an answer that reports success is a violation.

    """

    kind: str
    raw: bytes
    method: str = "GET"
    author: Actor | None = None
    complete: bool = True
    ambiguous: bool = False
    must_fail: bool = False


def render_request(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """Return the bytes of a request. `Content-Length` is added if the headers do not frame the body.

    Text outside Latin-1 is sent as UTF-8. A lone surrogate is sent as three bytes that no UTF-8 decoder accepts.
    """
    given = list(headers)
    names = {name.lower() for name, _ in given}
    if not names & {"content-length", "transfer-encoding"} and (body or method in {"POST", "PUT", "PATCH"}):
        given.append(("Content-Length", str(len(body))))
    if "host" not in names:
        given.insert(0, ("Host", "desk.example"))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given), "", ""]
    return encode_header_text("\r\n".join(lines)) + body


def encode_header_text(text: str) -> bytes:
    """Return `text` as Latin-1 if possible, otherwise as UTF-8 including surrogates."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def chunked(body: bytes, *sizes: int) -> bytes:
    """Return `body` in chunks of `sizes`, with the rest in one more chunk, and the terminating chunk."""
    rest, parts = body, list[bytes]()
    for size in sizes:
        parts, rest = [*parts, rest[:size]], rest[size:]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, rest] if part) + b"0\r\n\r\n"
