"""The WSGI application for gunicorn (`wsgi:app`) and the `flask` command."""

import sys

import click

from app.factory import create_app
from app.startup import announce
from config import ConfigurationError

try:
    app = create_app()
except ConfigurationError as error:
    # Print one line per mistake and no traceback.
    sys.exit("\n".join(error.mistakes))

_command = click.get_current_context(silent=True)
if _command is None or _command.info_name == "run":
    announce(app)  # only when a server starts; `flask cache …` prints its own report
