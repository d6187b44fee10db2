"""Request targets: every route of the URL map with its variables filled in, mutated paths, and query strings."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from flask import Flask

from tests.hostile.actors import System
from tests.hostile.attempts import EVIL_HOST
from tests.hostile.values import QUERIES, Rng, cursor, identifier, text

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "get", "X")
_STATIC: Final = ("desk.css", "frame.js", "../../../config.py", "..%2f..%2fconfig.py", "/etc/passwd", "%00", "")


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the application: its rule and the methods it takes."""

    rule: str
    methods: tuple[str, ...]

    @property
    def needs_identity(self) -> bool:
        """Whether the route requires an identity."""
        return self.rule.startswith(("/products", "/diagnostics"))

    def changes(self) -> list[str]:
        """Return the methods that change data."""
        return [method for method in self.methods if method not in {"GET", "HEAD", "OPTIONS"}]


def routes(app: Flask) -> list[Route]:
    """Return all routes of `app`. New routes are included automatically."""
    return sorted((Route(rule.rule, tuple(sorted(rule.methods or ()))) for rule in app.url_map.iter_rules()), key=str)


def path(rng: Rng, system: System, route: Route) -> str:
    """Return a path of the route. Its ids belong to any seller or to no row, or are invalid."""

    def filled(found: re.Match[str]) -> str:
        chosen = rng.choice(_STATIC) if found[1].startswith("path:") else identifier(rng, system)
        return quote(chosen.encode("utf-8", "surrogatepass"), safe="/%")

    return re.sub(r"<([^>]+)>", filled, route.rule)


def mutated(rng: Rng, system: System, whole: str) -> str:
    """Return a path that differs slightly from `whole`."""
    segments = whole.split("/")
    index = rng.randrange(len(segments))
    change = rng.randrange(8)
    if change == 0:
        segments.insert(index, rng.choice(("", ".", "..", "%2e%2e", "%2f", ";a=b", "\xff", EVIL_HOST, "%ff%fe", "%00")))
    elif change == 1:
        segments[index] = quote(text(rng).encode("utf-8", "surrogatepass"), safe="")
    elif change == 2:
        segments[index] = identifier(rng, system).swapcase().replace(" ", "").replace("\t", "")
    elif change == 3:
        del segments[index]
    elif change == 4:
        segments[index] = "".join(f"%{byte:02x}" for byte in segments[index].encode())
    elif change == 5:
        segments.append(rng.choice(("", "new", "x" * 3000, "%")))
    elif change == 6:
        return rng.choice(
            (
                f"//{EVIL_HOST}{whole}",
                f"/\\{EVIL_HOST}",
                f"http://{EVIL_HOST}{whole}",
                f"/%0d%0aa{whole}",
                f"//{whole}",
                "*",
                f"/{EVIL_HOST}//",
            )
        )
    else:
        segments = [
            rng.choice((part, part.upper(), part + rng.choice(("%20", ".json", "~", "%09")))) for part in segments
        ]
    return _on_one_line("/".join(segments)) or "/"


def _on_one_line(target: str) -> str:
    """Return the target without characters that end the request line. `framing` sends those."""
    return re.sub(r"[\x00-\x20\x7f]", "", target)


def query(rng: Rng, system: System) -> str:
    """Return a query string including "?", with known, unknown, repeated and malformed parameters."""
    pairs = []
    for _ in range(rng.randrange(1, 5)):
        name = rng.choice(QUERIES)
        content = cursor(rng, system) if name == "cursor" and rng.random() < 0.7 else text(rng)
        pairs.append(f"{quote(name)}={quote(content.encode('utf-8', 'surrogatepass'), safe='')}")
    if rng.random() < 0.15:
        pairs.append(
            rng.choice(("%", "&&&=", "a=%ff%fe", "=", "sort", "x=" + "y" * 3000, "a=1&" * 800, "\xff\xfe=1", "#x"))
        )
    return "?" + "&".join(pairs)
