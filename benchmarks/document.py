"""Write the figures of the last `make bench` into the documents and draw the plots of docs/performance.md.

`python -m benchmarks.document` replaces the text between `<!-- figures: NAME -->` and `<!-- end -->`. People write the
text around these parts. A part without results stays unchanged.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from benchmarks import catalogue, desk, engine, importing, matching, paging, plots, summary
from benchmarks.report import read_results
from benchmarks.scenarios import herd, hits, mix, outage, starting, work, writes
from local import ROOT

__all__ = ["PARTS", "filled", "main"]

DOCUMENTS: Final = [ROOT / "docs" / f"{name}.md" for name in ("performance", "data", "lists", "matching")]
_PART: Final = re.compile(r"<!-- figures: (\w+) -->\n.*?<!-- end -->", re.DOTALL)

# Name of the part: the function that returns its text, and the names of the results that this function takes.
PARTS: Final[Mapping[str, tuple[Callable[..., str], Sequence[str]]]] = {
    "conditions": (summary.conditions, ["hits"]),
    "aims": (summary.aims, ["hits", "mix", "herd", "outage", "starting"]),
    "hits": (hits.show, ["hits"]),
    "mix": (mix.show, ["mix"]),
    "claim": (summary.claim, ["mix"]),
    "writes": (writes.show, ["writes"]),
    "work": (work.show, ["work"]),
    "herd": (herd.show, ["herd"]),
    "outage": (outage.show, ["outage"]),
    "starting": (starting.show, ["starting"]),
    "engine": (engine.show, ["engine"]),
    "bounds": (summary.bounds, ["hits"]),
    "costs": (summary.costs, ["hits"]),
    "plans": (summary.plans, ["hits"]),
    "reads": (catalogue.show_reads, ["catalogue"]),
    "costs_of_writes": (catalogue.show_writes, ["catalogue"]),
    "pages": (paging.show_pages, ["paging"]),
    "searches": (paging.show_searches, ["paging"]),
    "importing": (importing.show, ["importing"]),
    "decisions": (matching.show_decisions, ["matching"]),
    "feed": (matching.show_feed, ["matching"]),
    "queue": (matching.show_queue, ["matching"]),
    "views": (desk.show_views, ["desk"]),
    "cells": (desk.show_changes, ["desk"]),
}


def filled(text: str, results: Callable[[str], Any] = read_results) -> str:
    """Return `text` with new content for every part whose results exist.

    Raises:
        KeyError: the text contains a part that is not in `PARTS`.

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
    """Update the documents and draw the plots next to them."""
    for document in DOCUMENTS:
        document.write_text(filled(document.read_text("utf-8")), "utf-8")
    plots.draw(ROOT / "docs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
