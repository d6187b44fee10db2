"""Where requests go: every route of the URL map, with ids and segments filled in, mutated, and with queries."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from flask import Flask

from tests.hostile.attempts import EVIL
from tests.hostile.cast import Scene
from tests.hostile.values import QUERIES, Dice, cursor, identifier, text

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "get", "X")
_STATIC: Final = ("desk.css", "desk.js", "../../../config.py", "..%2f..%2fconfig.py", "/etc/passwd", "%00", "")


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the application: its rule and the methods it takes."""

    rule: str
    methods: tuple[str, ...]

    @property
    def needs_identity(self) -> bool:
        """Whether nobody but a known seller may be answered."""
        return self.rule.startswith(("/products", "/diagnostics"))

    def changes(self) -> list[str]:
        """Return its methods that change something."""
        return [method for method in self.methods if method not in {"GET", "HEAD", "OPTIONS"}]


def routes(app: Flask) -> list[Route]:
    """Return all routes of `app`: one that is added is attacked from its first day."""
    return sorted((Route(rule.rule, tuple(sorted(rule.methods or ()))) for rule in app.url_map.iter_rules()), key=str)


def path(dice: Dice, scene: Scene, route: Route) -> str:
    """Return a path of the route; ids are some seller's, nobody's, or none at all."""

    def filled(found: re.Match[str]) -> str:
        chosen = dice.choice(_STATIC) if found[1].startswith("path:") else identifier(dice, scene)
        return quote(chosen.encode("utf-8", "surrogatepass"), safe="/%")

    return re.sub(r"<([^>]+)>", filled, route.rule)


def mutated(dice: Dice, scene: Scene, whole: str) -> str:
    """Return a path that is nearly `whole`."""
    segments = whole.split("/")
    place = dice.randrange(len(segments))
    change = dice.randrange(8)
    if change == 0:
        segments.insert(place, dice.choice(("", ".", "..", "%2e%2e", "%2f", ";a=b", "\xff", EVIL, "%ff%fe", "%00")))
    elif change == 1:
        segments[place] = quote(text(dice).encode("utf-8", "surrogatepass"), safe="")
    elif change == 2:
        segments[place] = identifier(dice, scene).swapcase().replace(" ", "").replace("\t", "")
    elif change == 3:
        del segments[place]
    elif change == 4:
        segments[place] = "".join(f"%{byte:02x}" for byte in segments[place].encode())
    elif change == 5:
        segments.append(dice.choice(("", "new", "x" * 3000, "%")))
    elif change == 6:
        return dice.choice(
            (
                f"//{EVIL}{whole}",
                f"/\\{EVIL}",
                f"http://{EVIL}{whole}",
                f"/%0d%0aa{whole}",
                f"//{whole}",
                "*",
                f"/{EVIL}//",
            )
        )
    else:
        segments = [
            dice.choice((part, part.upper(), part + dice.choice(("%20", ".json", "~", "%09")))) for part in segments
        ]
    return _on_one_line("/".join(segments)) or "/"


def _on_one_line(target: str) -> str:
    """Return it without what would end the request line: that is another kind of attack."""
    return re.sub(r"[\x00-\x20\x7f]", "", target)


def query(dice: Dice, scene: Scene) -> str:
    """Return a query string, with its question mark, of known, unknown, repeated and broken parameters."""
    pairs = []
    for _ in range(dice.randrange(1, 5)):
        name = dice.choice(QUERIES)
        content = cursor(dice, scene) if name == "cursor" and dice.random() < 0.7 else text(dice)
        pairs.append(f"{quote(name)}={quote(content.encode('utf-8', 'surrogatepass'), safe='')}")
    if dice.random() < 0.15:
        pairs.append(
            dice.choice(("%", "&&&=", "a=%ff%fe", "=", "sort", "x=" + "y" * 3000, "a=1&" * 800, "\xff\xfe=1", "#x"))
        )
    return "?" + "&".join(pairs)
