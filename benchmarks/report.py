"""What every benchmark does with its figures: print a table, write JSON for later, draw lines into an SVG."""

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

__all__ = ["RESULTS", "line_plot", "read_results", "table", "write_results"]

RESULTS: Final = Path(__file__).parent / "results"
"""Figures of one machine on one day; not in the history."""

_SEEN: Final = {"svg.hashsalt": "asin-desk", "svg.fonttype": "none"}  # the same figures give the same file
_INK: Final = "#475569"


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table that is also readable as text: first column to the left, numbers to the right."""
    cells = [list(headers), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(headers))]
    lines = ["| " + " | ".join(_padded(line, widths)) + " |" for line in cells]
    rules = ["-" * (width + 2) if column == 0 else "-" * (width + 1) + ":" for column, width in enumerate(widths)]
    return "\n".join([lines[0], f"|{'|'.join(rules)}|", *lines[1:]])


def write_results(name: str, data: Any) -> Path:  # noqa: ANN401 - any JSON
    """Write `data` with when and where it was measured to `results/<name>.json` and return the path."""
    RESULTS.mkdir(exist_ok=True)
    document = {"measured": datetime.now(UTC).isoformat(timespec="seconds"), "python": platform.python_version()}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document | {"data": data}, indent=1) + "\n", "utf-8")
    return path


def read_results(name: str) -> Any:  # noqa: ANN401 - any JSON
    """Return the data of `write_results(name, data)`. Raises FileNotFoundError when it was not measured."""
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))["data"]


def line_plot(  # noqa: PLR0913 - a plot has that many parts
    path: Path,
    title: str,
    x_label: str,
    y_label: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    log_x: bool = False,
) -> None:
    """Draw each series of (x, y) points as a line with a legend into the SVG file `path`."""
    import matplotlib as mpl  # noqa: PLC0415 - only the extra `bench` has it; tables and JSON need nothing
    from matplotlib.figure import Figure  # noqa: PLC0415 - same

    with mpl.rc_context(_SEEN):
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        for name, points in series.items():
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name)
        axes.set(title=title, xlabel=x_label, ylabel=y_label, ylim=(0, None), xscale="log" if log_x else "linear")
        axes.grid(visible=True, alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_INK)
        axes.legend(frameon=False)
        figure.savefig(path, metadata={"Date": None})


def _text(cell: object) -> str:
    """Return a number to three digits that mean something, anything else as it is."""
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"


def _padded(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
