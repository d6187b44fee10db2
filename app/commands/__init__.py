"""The `flask` commands for operators. Exit status: 0 when done, 1 when it failed, 2 for wrong arguments."""

from flask import Flask

from app.commands.cache import cache_commands
from app.commands.checking import check
from app.commands.products import product_commands
from app.commands.tokens import token

__all__ = ["init_app"]


def init_app(app: Flask) -> None:
    """Register the commands `flask cache …`, `flask products …`, `flask token` and `flask check` on `app`."""
    app.cli.add_command(cache_commands)
    app.cli.add_command(product_commands)
    app.cli.add_command(token)
    app.cli.add_command(check)
