"""The `flask` commands of operators. Each ends with 0 when done, 1 when it could not be, 2 when called wrongly."""

from flask import Flask

from app.commands.cache import cache_commands
from app.commands.checking import check
from app.commands.products import product_commands

__all__ = ["init_app"]


def init_app(app: Flask) -> None:
    """Give `app` the commands `flask cache …`, `flask products …` and `flask check`."""
    app.cli.add_command(cache_commands)
    app.cli.add_command(product_commands)
    app.cli.add_command(check)
