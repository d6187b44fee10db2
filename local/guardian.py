"""Kill the process groups of a parent that died: the last line of defence against orphans.

Run as a script by :mod:`local.processes`. Reads lines `+PGID` and `-PGID` from standard input; at its end, which comes
also when the parent is killed with SIGKILL, every group still listed is killed. Unlike PR_SET_PDEATHSIG this reaches
grandchildren, does not depend on which thread started the child, and works on macOS.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable


def groups_left(lines: Iterable[str]) -> set[int]:
    """Return the process groups that were added and not removed, once `lines` has ended."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def main() -> None:
    """Wait for the parent's end, then kill what it left."""
    for group in groups_left(sys.stdin):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
