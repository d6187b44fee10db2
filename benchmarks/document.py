"""Put the figures of the last `make bench` into docs/performance.md and draw its plots.

`python -m benchmarks.document` replaces what stands between `<!-- figures: NAME -->` and `<!-- end -->`; words around
them are written by people and hold no measured number. A part whose results are missing is left as it was.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import engine, plots, summary
from benchmarks.report import read_results
from benchmarks.scenarios import herd, hits, mix, outage, starting, writes
from local import ROOT

__all__ = ["PARTS", "filled", "main"]

DOCUMENT: Final = ROOT / "docs" / "performance.md"
_PART: Final = re.compile(r"<!-- figures: (\w+) -->\n.*?<!-- end -->", re.DOTALL)

# Name of the part: how it is made, and of which results.
PARTS: Final[Mapping[str, tuple[Callable[..., str], Sequence[str]]]] = {
    "conditions": (summary.conditions, ["hits"]),
    "aims": (summary.aims, ["hits", "mix", "herd", "outage", "starting"]),
    "hits": (hits.show, ["hits"]),
    "mix": (mix.show, ["mix"]),
    "claim": (summary.claim, ["mix"]),
    "writes": (writes.show, ["writes"]),
    "herd": (herd.show, ["herd"]),
    "outage": (outage.show, ["outage"]),
    "starting": (starting.show, ["starting"]),
    "engine": (engine.show, ["engine"]),
    "bounds": (summary.bounds, ["hits"]),
    "costs": (summary.costs, ["hits"]),
    "plans": (summary.plans, ["hits"]),
}


def filled(text: str, results: Callable[[str], Any] = read_results) -> str:
    """Return `text` with every part whose results exist made anew.

    Raises:
        KeyError: the text names a part that nobody makes.

    """

    def part(old: re.Match[str]) -> str:
        make, names = PARTS[old[1]]
        try:
            made = make(*map(results, names))
        except FileNotFoundError:
            return old[0]
        return f"<!-- figures: {old[1]} -->\n{made}\n<!-- end -->"

    return _PART.sub(part, text)


def main() -> int:
    """Write the document and the plots beside it."""
    DOCUMENT.write_text(filled(DOCUMENT.read_text("utf-8")), "utf-8")
    plots.draw(Path(DOCUMENT.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
