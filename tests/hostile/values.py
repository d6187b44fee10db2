"""Values that break programs: text, numbers, JSON, and identifiers of rows that are somebody's, or nobody's."""

import base64
import json
import random
import uuid
from typing import Any, Final

from app.products.schemas import BulkAction, ListQuery, NewProduct
from tests.hostile.attempts import EVIL, INJECTED, PROBE
from tests.hostile.cast import Scene

Dice = random.Random

TEXTS: Final = (
    "", " ", "x", "\0", "a\0b", "\x07\x1b[31m", "é", "ß", "\u202ereversed", "\U0001f4a3", "\ud800", "\udfff\ud800",
    PROBE, f'"><img src=x onerror=alert(1)>{PROBE}', "{{7*7}}", "${7*7}", "%(x)s", "%s%n%x", "{0.__class__}",
    "' or 1=1 --", "'; drop table deals; --", "\\", "%", "_", "*)(uid=*", "../../../../etc/passwd", "..\\..\\",
    "%2e%2e%2f", "%00", "%zz", "%", "+", "=1+1", "@sum(a1)", "-1", "0", "1e999", "NaN", "Infinity", "0x10", "1_000",
    "9" * 400, "true", "null", "[]", "{}", f"//{EVIL}", f"https://{EVIL}/", f"\\\\{EVIL}", "javascript:alert(1)",
    f"\r\n{INJECTED}: 1", f"\n{INJECTED}: 1", "A" * 501, "A" * 5001, "\u017f000000001", "\u0660123456789",
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
    "upc": ("12345678", None), "moq": (1, 12), "buy_cost": ("1.50", 3), "stage": ("new", "ordered"),
    "favorite": (True, False), "notes": ("x",), "multiple_asins": (True, False),
    "action": ("delete", "restore", "move", "favorite"),
}  # fmt: skip


def text(dice: Dice) -> str:
    """Return a text from the list, or random characters."""
    if dice.random() < 0.7:
        return dice.choice(TEXTS)
    return "".join(dice.choices(_CHARACTERS, k=dice.randrange(40)))


def identifier(dice: Dice, scene: Scene) -> str:
    """Return the id of some seller's row, of nobody's, or what is no id."""
    someone = dice.choice(scene.everybody)
    known, pick = dice.choice(someone.products + someone.deals), dice.random()
    if pick < 0.6:
        return known
    if pick < 0.75:
        return dice.choice((known.upper(), "{" + known + "}", known.replace("-", ""), f"urn:uuid:{known}"))
    return str(uuid.UUID(int=dice.getrandbits(128))) if pick < 0.9 else text(dice)


def value(dice: Dice, scene: Scene, depth: int = 0) -> Any:  # noqa: ANN401 - JSON
    """Return any JSON value."""
    pick = dice.random()
    if depth < 3 and pick < 0.12:
        return [value(dice, scene, depth + 1) for _ in range(dice.randrange(4))]
    if depth < 3 and pick < 0.22:
        return {text(dice): value(dice, scene, depth + 1) for _ in range(dice.randrange(4))}
    if pick < 0.45:
        return dice.choice(_NUMBERS)
    return dice.choice((None, True, False, text(dice), text(dice), identifier(dice, scene)))


def document(dice: Dice, scene: Scene) -> dict[str, Any]:
    """Return an object with fields of the schemas: good ones, bad ones, unknown ones."""
    names = dice.sample(FIELDS, dice.randrange(1, 6))
    found = {
        name: dice.choice(_PLAUSIBLE[name]) if name in _PLAUSIBLE and dice.random() < 0.5 else value(dice, scene)
        for name in names
    }
    if "deal_ids" in found and dice.random() < 0.7:
        found["deal_ids"] = [identifier(dice, scene) for _ in range(dice.choices((1, 2, 5, 1001), (10, 10, 10, 1))[0])]
    return found


def json_body(dice: Dice, scene: Scene) -> bytes:
    """Return JSON for the API, often not quite."""
    raw = json.dumps(document(dice, scene)).encode()
    return dice.choice(_SPOILED)(dice, raw) if dice.random() < 0.4 else raw


def cursor(dice: Dice, scene: Scene) -> str:
    """Return something that looks like the position in a list."""
    content = json.dumps(dice.choice(([text(dice), value(dice, scene), identifier(dice, scene)], value(dice, scene))))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _flipped(dice: Dice, raw: bytes) -> bytes:
    place = dice.randrange(len(raw))
    return raw[:place] + bytes([dice.randrange(256)]) + raw[place + 1 :]


_SPOILED: Final = (
    _flipped,
    lambda dice, raw: raw[: dice.randrange(len(raw))],
    lambda dice, raw: raw * dice.choice((2, 50)),
    lambda _, raw: b"\xef\xbb\xbf" + raw,
    lambda _, raw: raw.decode().encode("utf-16"),
    lambda dice, _: dice.choice((b"[", b'{"a":', b'[{"title":')) * dice.choice((50, 3000, 20_000)),
    lambda _, __: b'{"title": "x", "moq": 1' + b"0" * 5000 + b"}",
    lambda _, __: b'{"title": "x", "title": "y", "buy_cost": 1e-400}',
    lambda _, __: b'{"title": "\\ud800", "notes": "\\u0000"}',
    lambda _, __: b'{"title": "\xff\xfe"}',
    lambda _, __: b"{" + b",".join(b'"f%d": 1' % number for number in range(3000)) + b"}",
    lambda dice, _: dice.randbytes(dice.randrange(2000)),
    lambda _, __: b" " * 1_100_000,
)
