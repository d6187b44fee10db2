"""Compare the application with the limit and with what a user could pick instead, scenario by scenario."""

import tempfile
from pathlib import Path

from benchmarks.arena import arena
from benchmarks.report import write_results
from benchmarks.scenarios import hits

__all__ = ["main"]


def main(*, quick: bool = False) -> None:
    """Measure, print the tables, write the results."""
    with tempfile.TemporaryDirectory() as directory, arena(Path(directory)) as ground:
        data = hits.measure(ground, rounds=2 if quick else 5, seconds=1 if quick else 3)
    print(hits.show(data))
    write_results("hits", data)


if __name__ == "__main__":
    main(quick=True)
