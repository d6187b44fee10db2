"""Bodies that are no JSON: forms, multipart, files, and media types that do not fit them."""

from typing import Final
from urllib.parse import quote_plus

from tests.hostile.attempts import as_bytes
from tests.hostile.cast import Scene
from tests.hostile.values import Dice, identifier, json_body, text

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


def form(dice: Dice, scene: Scene, csrf: str | None) -> bytes:
    """Return the fields of the desk's forms, URL-encoded, with this CSRF token if any."""
    names = ("email", "password", "title", "asin", "buy_cost", "action", "deal_ids", "stage", "next", "undo", "hard")
    fields = [
        (dice.choice(names), dice.choice((text(dice), identifier(dice, scene)))) for _ in range(dice.randrange(6))
    ]
    if csrf is not None:
        fields.append(("csrf_token", csrf))
    encoded = b"&".join(b"%s=%s" % (_quoted(name), _quoted(content)) for name, content in fields)
    return (
        encoded
        if dice.random() < 0.8
        else encoded + dice.choice((b"&" * 2000, b"&%", b"&=", b"\xff=\xfe", b"&a" * 1500))
    )


def _quoted(content: str) -> bytes:
    return quote_plus(content.encode("utf-8", "surrogatepass")).encode()


def multipart(dice: Dice, csrf: str | None) -> tuple[str, bytes]:
    """Return the media type and the bytes of a form with a file, with a mistake or two."""
    parts = [_part(dice) for _ in range(dice.choices((0, 1, 2, 3, 300), (10, 50, 10, 10, 1))[0])]
    if csrf is not None:
        parts.append(_rendered('form-data; name="csrf_token"', as_bytes(csrf)))
    ending = dice.choice((f"--{_BOUNDARY}--\r\n",) * 6 + (f"--{_BOUNDARY}", "", "--"))
    body = b"".join(parts) + ending.encode()
    boundary = dice.choice((_BOUNDARY,) * 8 + ("other", f'"{_BOUNDARY}"', "x" * 300, "\xe9", ""))
    return f"multipart/form-data; boundary={boundary}", body


def _part(dice: Dice) -> bytes:
    name = dice.choice(("file", "file", "file", "dry_run", "", "f\xe9", "file[]", "a" * 3000))
    filename = dice.choice(
        ("list.csv", "../../etc/passwd", "a\0b.csv", "", "x" * 3000, "\xe9.csv", "a.csv\\", 'q".csv')
    )
    disposition = dice.choice((
        f'form-data; name="{name}"; filename="{filename}"', f'form-data; name="{name}"', "form-data",
        f"form-data; name=file; filename*=UTF-8''%zz{filename}", "attachment", f'form-data; name="{name}'))  # fmt: skip
    return _rendered(disposition, csv(dice))


def _rendered(disposition: str, content: bytes) -> bytes:
    return as_bytes(f"--{_BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n") + content + b"\r\n"


def csv(dice: Dice) -> bytes:
    """Return what claims to be a CSV file, of at most a few rows that would be taken."""
    pick = dice.random()
    if pick < 0.15:
        return dice.randbytes(dice.randrange(3000))
    if pick < 0.3:
        unit = dice.choice((b"\n", b"\r", b'"', b",", b"\0", b'"\n', b"a\r"))
        return b"title\n" + unit * dice.choice((10, 1000, 20_000))
    between = dice.choice((",", ";", "\t", "|"))
    header = between.join(dice.sample(("ASIN", "UPC", "Title", "Cost", "MOQ", "Stage", "Supplier", "Title", "\0"), 4))
    rows = [between.join(dice.choice(_CELLS) for _ in range(dice.randrange(6))) for _ in range(dice.randrange(4))]
    return "\n".join([header, *rows]).encode(dice.choice(("utf-8", "utf-8-sig", "utf-16", "utf-7")), "replace")


def any_body(dice: Dice, scene: Scene, csrf: str | None = None) -> tuple[str, bytes]:
    """Return a media type and a body; in one of four cases they do not belong together."""
    made = dice.choice(("json", "json", "form", "multipart", "csv"))
    if made == "multipart":
        media_type, body = multipart(dice, csrf)
    elif made == "form":
        media_type, body = "application/x-www-form-urlencoded", form(dice, scene, csrf)
    elif made == "csv":
        media_type, body = "text/csv", csv(dice)
    else:
        media_type, body = "application/json", json_body(dice, scene)
    return (dice.choice(MEDIA_TYPES) if dice.random() < 0.25 else media_type), body
