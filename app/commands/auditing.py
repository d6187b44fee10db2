"""What operators do on the command line, in the audit log."""

import functools
import getpass
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from app import audit

P = ParamSpec("P")
R = TypeVar("R")


def audited(event: str, *shown: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have the audit log know of a command, how it ended and which operator (of the machine) typed it.

    `shown` names the parameters that the line shows too. Directly above the function, below what `click` decorates.
    """

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def watched(*args: P.args, **kwargs: P.kwargs) -> R:
            outcome = "failed"
            try:
                result = command(*args, **kwargs)
                outcome = "ok"
            except (click.Abort, click.UsageError):
                outcome = "refused"
                raise
            finally:
                told = {name: str(kwargs[name]) for name in shown if kwargs[name] is not None}
                audit.record(event, outcome, operator=_operator(), **told)
            return result

        return watched

    return decorate


def _operator() -> str:
    """Return the login name; a container may have none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
