"""Measure everything there is to measure: the command behind `make bench`."""

import argparse
import sys
from importlib import import_module
from typing import Final

from benchmarks import comparison

# Each has a `main()` that prints a table and writes its figures to benchmarks/results/.
TABLES: Final = ("engine", "comparison")


def main() -> int:
    """Measure what was asked for; return the exit status: 0 done, 1 something failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a look only: the comparison, and less of it")
    options = parser.parse_args()
    if unknown := set(options.tables) - set(TABLES):
        parser.error(f"there is no table {', '.join(sorted(unknown))}")
    if options.quick:
        comparison.main(quick=True)
        return 0
    for name in options.tables or TABLES:
        import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
