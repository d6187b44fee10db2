"""Bodies other than JSON: forms, multipart and files, and media types that do not match the body."""

from typing import Final
from urllib.parse import quote_plus

from tests.hostile.actors import System
from tests.hostile.attempts import encode_header_text
from tests.hostile.values import Rng, identifier, json_body, text

MEDIA_TYPES: Final = (
    "application/json", "application/json; charset=utf-16", "application/json; charset=x", "text/json", "text/plain",
    "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=", "text/csv",
    "text/csv; charset=utf-7", "application/octet-stream", "application/xml", "*/*", "", "a", "json/application",
    "application/vnd.api+json", "application/json, text/csv", f"text/{'x' * 900}", "text/csv; charset=\xe9",
)  # fmt: skip

_CELLS: Final = (
    "", "x", '"', '""', '"a', 'a"b', "\0", "\r", "\n", "\r\n", "=1+1", "1,5", "$1.2.3", "8.12E+11", "B0000000A1", "'",
    "é", "\u2028", "9" * 5000, " " * 3000, "\t", "a\x1cb",
)  # fmt: skip
_BOUNDARY: Final = "frontier"


def form(rng: Rng, system: System, csrf: str | None) -> bytes:
    """Return random fields of the desk's forms, URL-encoded, with the CSRF token `csrf` if it is not None."""
    names = ("email", "password", "title", "asin", "buy_cost", "action", "deal_ids", "stage", "next", "undo", "hard")
    fields = [(rng.choice(names), rng.choice((text(rng), identifier(rng, system)))) for _ in range(rng.randrange(6))]
    if csrf is not None:
        fields.append(("csrf_token", csrf))
    encoded = b"&".join(b"%s=%s" % (_quoted(name), _quoted(content)) for name, content in fields)
    return (
        encoded if rng.random() < 0.8 else encoded + rng.choice((b"&" * 2000, b"&%", b"&=", b"\xff=\xfe", b"&a" * 1500))
    )


def _quoted(content: str) -> bytes:
    return quote_plus(content.encode("utf-8", "surrogatepass")).encode()


def multipart(rng: Rng, csrf: str | None) -> tuple[str, bytes]:
    """Return the media type and bytes of a multipart form with a file. The form may be malformed."""
    parts = [_part(rng) for _ in range(rng.choices((0, 1, 2, 3, 300), (10, 50, 10, 10, 1))[0])]
    if csrf is not None:
        parts.append(_render_part('form-data; name="csrf_token"', encode_header_text(csrf)))
    ending = rng.choice((f"--{_BOUNDARY}--\r\n",) * 6 + (f"--{_BOUNDARY}", "", "--"))
    body = b"".join(parts) + ending.encode()
    boundary = rng.choice((_BOUNDARY,) * 8 + ("other", f'"{_BOUNDARY}"', "x" * 300, "\xe9", ""))
    return f"multipart/form-data; boundary={boundary}", body


def _part(rng: Rng) -> bytes:
    name = rng.choice(("file", "file", "file", "dry_run", "", "f\xe9", "file[]", "a" * 3000))
    filename = rng.choice(("list.csv", "../../etc/passwd", "a\0b.csv", "", "x" * 3000, "\xe9.csv", "a.csv\\", 'q".csv'))
    disposition = rng.choice((
        f'form-data; name="{name}"; filename="{filename}"', f'form-data; name="{name}"', "form-data",
        f"form-data; name=file; filename*=UTF-8''%zz{filename}", "attachment", f'form-data; name="{name}'))  # fmt: skip
    return _render_part(disposition, csv(rng))


def _render_part(disposition: str, content: bytes) -> bytes:
    return encode_header_text(f"--{_BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n") + content + b"\r\n"


def csv(rng: Rng) -> bytes:
    """Return the bytes of a CSV file, or other bytes instead. At most a few rows are valid."""
    pick = rng.random()
    if pick < 0.15:
        return rng.randbytes(rng.randrange(3000))
    if pick < 0.3:
        unit = rng.choice((b"\n", b"\r", b'"', b",", b"\0", b'"\n', b"a\r"))
        return b"title\n" + unit * rng.choice((10, 1000, 20_000))
    between = rng.choice((",", ";", "\t", "|"))
    header = between.join(rng.sample(("ASIN", "UPC", "Title", "Cost", "MOQ", "Stage", "Supplier", "Title", "\0"), 4))
    rows = [between.join(rng.choice(_CELLS) for _ in range(rng.randrange(6))) for _ in range(rng.randrange(4))]
    return "\n".join([header, *rows]).encode(rng.choice(("utf-8", "utf-8-sig", "utf-16", "utf-7")), "replace")


def any_body(rng: Rng, system: System, csrf: str | None = None) -> tuple[str, bytes]:
    """Return a media type and a body. In a quarter of the cases the media type is chosen independently."""
    kind = rng.choice(("json", "json", "form", "multipart", "csv"))
    if kind == "multipart":
        media_type, body = multipart(rng, csrf)
    elif kind == "form":
        media_type, body = "application/x-www-form-urlencoded", form(rng, system, csrf)
    elif kind == "csv":
        media_type, body = "text/csv", csv(rng)
    else:
        media_type, body = "application/json", json_body(rng, system)
    return (rng.choice(MEDIA_TYPES) if rng.random() < 0.25 else media_type), body
