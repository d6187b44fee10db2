"""Write the commands of operators to the audit log."""

import functools
import getpass
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from app import audit

P = ParamSpec("P")
R = TypeVar("R")


def audited(event: str, *shown: str, account: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Write an audit line for each run of a command: its outcome, and the login name of the operator.

    `shown` names the parameters that the line also contains. `account` names a parameter with an e-mail address; the
    line contains the pseudonym of that account. Put this decorator below those of `click`.
    """

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def recorded(*args: P.args, **kwargs: P.kwargs) -> R:
            outcome = "failed"
            try:
                result = command(*args, **kwargs)
                outcome = "ok"
            except (click.Abort, click.ClickException):
                outcome = "refused"
                raise
            finally:
                details = {name: str(kwargs[name]) for name in shown if kwargs[name] is not None}
                details |= {"account": audit.account(str(kwargs[account]))} if account else {}
                audit.record(event, outcome, operator=_operator(), **details)
            return result

        return recorded

    return decorate


def _operator() -> str:
    """Return the login name on this machine. A container may have none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
