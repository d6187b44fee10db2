"""The command behind `make run` and `make stack`."""

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from local import ROOT
from local.announcement import say
from local.launch import ExternalServices, Options
from local.server import ServerError
from local.supervisor import run


def main() -> int:
    """Run the stack; return the exit code: 0 stopped, 1 a part failed, 2 wrong usage or settings."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("what", choices=["run", "stack"], help="run: everything; stack: Redis and Supabase only")
    parser.add_argument("--port", type=int, default=8000, help="port of the app (default: %(default)s)")
    parser.add_argument("--directory", type=Path, default=ROOT / ".local", help="folder for data and logs")
    parser.add_argument("--follow-parent", action="store_true", help="stop when the starting process ends")
    arguments = parser.parse_args()
    options = Options(
        directory=arguments.directory.resolve(),
        port=arguments.port,
        with_app=arguments.what == "run",
        follow_parent=arguments.follow_parent,
    )
    try:
        run(options, ExternalServices())
    except ValidationError as error:
        for mistake in error.errors(include_url=False, include_input=False):
            say(mistake["msg"].removeprefix("Value error, "), file=sys.stderr)
        return 2
    except ServerError as error:
        say(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
