"""Put the figures of the last `make bench` into docs/performance.md and draw its plots.

`python -m benchmarks.document` replaces what stands between `<!-- figures: NAME -->` and `<!-- end -->`; words around
them are written by people and hold no measured number. A part whose results are missing is left as it was.
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks import plots, summary
from benchmarks.report import read_results
from benchmarks.scenarios import herd, hits, mix, outage, starting, writes
from local import ROOT

__all__ = ["PARTS", "filled", "main"]

DOCUMENT: Final = ROOT / "docs" / "performance.md"
_PART: Final = re.compile(r"<!-- figures: (\w+) -->\n.*?<!-- end -->", re.DOTALL)

# Name of the part: the results it is made of, and how.
PARTS: Final[Mapping[str, tuple[str, Callable[[Any], str]]]] = {
    "conditions": ("hits", summary.conditions),
    "headline": ("hits", summary.headline),
    "hits": ("hits", hits.show),
    "mix": ("mix", mix.show),
    "claim": ("mix", summary.claim),
    "writes": ("writes", writes.show),
    "herd": ("herd", herd.show),
    "outage": ("outage", outage.show),
    "starting": ("starting", starting.show),
    "bounds": ("hits", summary.bounds),
    "costs": ("hits", summary.costs),
    "plans": ("hits", summary.plans),
}


def filled(text: str, results: Callable[[str], Any] = read_results) -> str:
    """Return `text` with every part whose results exist made anew.

    Raises:
        KeyError: the text names a part that nobody makes.

    """

    def part(old: re.Match[str]) -> str:
        name, make = PARTS[old[1]]
        try:
            made = make(results(name))
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
