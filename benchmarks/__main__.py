"""Run the benchmarks: the command behind `make bench`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from benchmarks import comparison
from benchmarks.meters import HAVE_PROC
from benchmarks.scenarios.hits import WrongAnswerError
from local.server import ServerError

# Each is a module with a `main()` that prints a table and writes its figures to benchmarks/results/.
TABLES: Final = ("engine", "catalogue", "paging", "importing", "matching", "desk", "comparison")


def main() -> int:
    """Run the named benchmarks; return the exit status: 0 success, 1 failure, 2 wrong usage."""
    names = [*TABLES, *comparison.SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(names)} (default: all)")
    parser.add_argument(
        "--quick", action="store_true", help="a short run: only the comparison, with fewer and shorter rounds"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(names):
        parser.error(f"unknown benchmark: {', '.join(sorted(unknown))}")
    if not HAVE_PROC:
        print("The benchmarks read processor time from /proc, which only Linux has.", file=sys.stderr)
        return 1
    try:
        _measure(options.names or ([] if options.quick else TABLES), quick=options.quick)
    except (ServerError, WrongAnswerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _measure(names: Sequence[str], *, quick: bool) -> None:
    for name in names:
        if name in TABLES and name != "comparison":
            import_module(f"benchmarks.{name}").main()
    scenarios = [name for name in names if name in comparison.SCENARIOS]
    if scenarios or "comparison" in names or not names:
        comparison.main(scenarios, quick=quick)


if __name__ == "__main__":
    sys.exit(main())
