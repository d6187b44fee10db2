"""How a command ends that cannot do what it was asked."""

import sys
from typing import NoReturn

import click


def fail(message: str) -> NoReturn:
    """Say why on standard error and end with status 1."""
    click.echo(message, err=True)
    sys.exit(1)
