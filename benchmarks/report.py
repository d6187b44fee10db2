"""Report the figures of a benchmark: format a table, write JSON, draw an SVG plot."""

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

__all__ = ["RESULTS", "bar_plot", "line_plot", "read_results", "spread", "table", "write_results"]

RESULTS: Final = Path(__file__).parent / "results"
"""The folder for results. It is not under version control: the figures depend on the machine and the day."""

_SVG_SETTINGS: Final = {"svg.hashsalt": "asin-desk", "svg.fonttype": "none"}  # the same figures give the same file
_TEXT_COLOR: Final = "#475569"


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return an aligned Markdown table: the first column is left-aligned, the others are right-aligned."""
    cells = [list(headers), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(headers))]
    lines = ["| " + " | ".join(_padded(line, widths)) + " |" for line in cells]
    rules = ["-" * (width + 2) if column == 0 else "-" * (width + 1) + ":" for column, width in enumerate(widths)]
    return "\n".join([lines[0], f"|{'|'.join(rules)}|", *lines[1:]])


def write_results(name: str, data: Any) -> Path:  # noqa: ANN401 - any JSON
    """Write `data`, the time and the Python version to `results/<name>.json`, and return the path."""
    RESULTS.mkdir(exist_ok=True)
    document = {"measured": datetime.now(UTC).isoformat(timespec="seconds"), "python": platform.python_version()}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document | {"data": data}, indent=1) + "\n", "utf-8")
    return path


def read_results(name: str) -> Any:  # noqa: ANN401 - any JSON
    """Return the data of `write_results(name, data)`. Raises FileNotFoundError if there is none."""
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))["data"]


def spread(values: Sequence[float]) -> str:
    """Return the median, minimum and maximum of the rounds as `median (min-max)`."""
    return f"{_text(float(median(values)))} ({_text(float(min(values)))}-{_text(float(max(values)))})"


def line_plot(  # noqa: PLR0913 - a plot has that many parts
    path: Path,
    title: str,
    x_label: str,
    y_label: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> None:
    """Draw each series of (x, y) points as a line with a legend into the SVG file `path`."""
    with _axes(path, title) as axes:
        for name, points in series.items():
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name)
        axes.set(xlabel=x_label, ylabel=y_label, xscale="log" if log_x else "linear")
        axes.set(**({"yscale": "symlog"} if log_y else {}), ylim=(0, None))
        axes.figure.legend(frameon=False, loc="outside right upper")


def bar_plot(path: Path, title: str, x_label: str, bars: Mapping[str, Sequence[float]]) -> None:
    """Draw the median of each series as a bar, longest first, with an error bar from its minimum to its maximum."""
    names = sorted(bars, key=lambda name: median(bars[name]))
    middles = [median(bars[name]) for name in names]
    below = [middle - min(bars[name]) for middle, name in zip(middles, names, strict=True)]
    above = [max(bars[name]) - middle for middle, name in zip(middles, names, strict=True)]
    with _axes(path, title) as axes:
        axes.barh(names, middles, xerr=[below, above], color="#3b82f6", ecolor=_TEXT_COLOR, capsize=3)
        axes.set(xlabel=x_label)


@contextmanager
def _axes(path: Path, title: str) -> Iterator[Any]:
    """Yield axes to draw on; write the SVG file `path` after the block."""
    import matplotlib as mpl  # noqa: PLC0415 - only the extra `bench` installs it; tables and JSON work without it
    from matplotlib.figure import Figure  # noqa: PLC0415 - same

    with mpl.rc_context(_SVG_SETTINGS):
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        axes.set_title(title)
        axes.set_axisbelow(True)
        axes.grid(visible=True, alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_TEXT_COLOR)
        yield axes
        figure.savefig(path, metadata={"Date": None})


def _text(cell: object) -> str:
    """Return a float with three significant digits; other values as text."""
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"


def _padded(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
