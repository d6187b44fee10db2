"""Kill the process groups of a parent process that died, so that no orphan processes are left.

:mod:`local.processes` runs this file as a script. It reads lines `+PGID` and `-PGID` from standard input. Standard
input ends when the parent ends, also after SIGKILL; every group that is still listed is then killed. Unlike
PR_SET_PDEATHSIG, this also kills grandchildren, does not depend on the thread that started the child, and works on
macOS.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable


def groups_left(lines: Iterable[str]) -> set[int]:
    """Read `lines` to the end and return the process groups that were added and not removed."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def main() -> None:
    """Wait until the parent ends, then kill its remaining process groups."""
    for group in groups_left(sys.stdin):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
