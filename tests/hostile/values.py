"""Values that often break programs: texts, numbers, JSON, and ids of existing or unknown rows."""

import base64
import json
import random
import uuid
from typing import Any, Final

from app.products.bulk import BulkAction
from app.products.schemas import ListQuery, NewProduct
from tests.hostile.actors import System
from tests.hostile.attempts import EVIL_HOST, INJECTED_HEADER, XSS_PROBE

Rng = random.Random

TEXTS: Final = (
    "", " ", "x", "\0", "a\0b", "\x07\x1b[31m", "é", "ß", "\u202ereversed", "\U0001f4a3", "\ud800", "\udfff\ud800",
    XSS_PROBE, f'"><img src=x onerror=alert(1)>{XSS_PROBE}', "{{7*7}}", "${7*7}", "%(x)s", "%s%n%x", "{0.__class__}",
    "' or 1=1 --", "'; drop table deals; --", "\\", "%", "_", "*)(uid=*", "../../../../etc/passwd", "..\\..\\",
    "%2e%2e%2f", "%00", "%zz", "%", "+", "=1+1", "@sum(a1)", "-1", "0", "1e999", "NaN", "Infinity", "0x10", "1_000",
    "9" * 400, "true", "null", "[]", "{}", f"//{EVIL_HOST}", f"https://{EVIL_HOST}/", f"\\\\{EVIL_HOST}",
    "javascript:alert(1)",
    f"\r\n{INJECTED_HEADER}: 1", f"\n{INJECTED_HEADER}: 1", "A" * 501, "A" * 5001, "\u017f000000001", "\u0660123456789",
)  # fmt: skip

_CHARACTERS: Final = [chr(code) for code in (*range(128), *range(0x250))]
_NUMBERS: Final = (0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**40, 10**400, 0.1, -0.0, 1e308, float("nan"), float("inf"))
_MODELS: Final = (NewProduct, BulkAction)
FIELDS: Final = (
    *sorted({name for model in _MODELS for name in model.model_fields}),
    *("user_id", "id", "__proto__", "a/b~c", ""),
)
QUERIES: Final = (*sorted(ListQuery.model_fields), "hard", "dry_run", "next", "user_id", "_method", "")

_PLAUSIBLE: Final[dict[str, tuple[Any, ...]]] = {
    "title": ("Lamp", "Chair"), "brand": ("Acme",), "supplier": ("Bolt",), "asin": ("B0000000A1", None),
    "upc": ("12345670", None), "moq": (1, 12), "buy_cost": ("1.50", 3), "stage": ("new", "ordered"),
    "favorite": (True, False), "notes": ("x",), "multiple_asins": (True, False),
    "action": ("delete", "restore", "move", "favorite"),
}  # fmt: skip


def text(rng: Rng) -> str:
    """Return one of TEXTS, or random characters."""
    if rng.random() < 0.7:
        return rng.choice(TEXTS)
    return "".join(rng.choices(_CHARACTERS, k=rng.randrange(40)))


def identifier(rng: Rng, system: System) -> str:
    """Return the id of a seller's row, an unknown id, or an invalid id."""
    actor = rng.choice(system.actors)
    known, pick = rng.choice(actor.products + actor.deals), rng.random()
    if pick < 0.6:
        return known
    if pick < 0.75:
        return rng.choice((known.upper(), "{" + known + "}", known.replace("-", ""), f"urn:uuid:{known}"))
    return str(uuid.UUID(int=rng.getrandbits(128))) if pick < 0.9 else text(rng)


def value(rng: Rng, system: System, depth: int = 0) -> Any:  # noqa: ANN401 - JSON
    """Return a random JSON value."""
    pick = rng.random()
    if depth < 3 and pick < 0.12:
        return [value(rng, system, depth + 1) for _ in range(rng.randrange(4))]
    if depth < 3 and pick < 0.22:
        return {text(rng): value(rng, system, depth + 1) for _ in range(rng.randrange(4))}
    if pick < 0.45:
        return rng.choice(_NUMBERS)
    return rng.choice((None, True, False, text(rng), text(rng), identifier(rng, system)))


def document(rng: Rng, system: System) -> dict[str, Any]:
    """Return an object with valid, invalid and unknown fields."""
    names = rng.sample(FIELDS, rng.randrange(1, 6))
    found = {
        name: rng.choice(_PLAUSIBLE[name]) if name in _PLAUSIBLE and rng.random() < 0.5 else value(rng, system)
        for name in names
    }
    if "deal_ids" in found and rng.random() < 0.7:
        found["deal_ids"] = [identifier(rng, system) for _ in range(rng.choices((1, 2, 5, 1001), (10, 10, 10, 1))[0])]
    return found


def json_body(rng: Rng, system: System) -> bytes:
    """Return JSON for the API. In two of five cases it is malformed or unusual."""
    raw = json.dumps(document(rng, system)).encode()
    return rng.choice(_MUTATIONS)(rng, raw) if rng.random() < 0.4 else raw


def cursor(rng: Rng, system: System) -> str:
    """Return a syntactically plausible cursor with random content."""
    content = json.dumps(rng.choice(([text(rng), value(rng, system), identifier(rng, system)], value(rng, system))))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _flipped(rng: Rng, raw: bytes) -> bytes:
    index = rng.randrange(len(raw))
    return raw[:index] + bytes([rng.randrange(256)]) + raw[index + 1 :]


_MUTATIONS: Final = (
    _flipped,
    lambda rng, raw: raw[: rng.randrange(len(raw))],
    lambda rng, raw: raw * rng.choice((2, 50)),
    lambda _, raw: b"\xef\xbb\xbf" + raw,
    lambda _, raw: raw.decode().encode("utf-16"),
    lambda rng, _: rng.choice((b"[", b'{"a":', b'[{"title":')) * rng.choice((50, 3000, 20_000)),
    lambda _, __: b'{"title": "x", "moq": 1' + b"0" * 5000 + b"}",
    lambda _, __: b'{"title": "x", "title": "y", "buy_cost": 1e-400}',
    lambda _, __: b'{"title": "\\ud800", "notes": "\\u0000"}',
    lambda _, __: b'{"title": "\xff\xfe"}',
    lambda _, __: b"{" + b",".join(b'"f%d": 1' % number for number in range(3000)) + b"}",
    lambda rng, _: rng.randbytes(rng.randrange(2000)),
    lambda _, __: b" " * 1_100_000,
)
