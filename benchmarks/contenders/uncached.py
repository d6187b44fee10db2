"""A Flask view without a cache, which calls the database for every request."""

from typing import Any

from flask import Flask, g

from benchmarks.contenders import database
from benchmarks.contenders.flask_app import add_routes

app = Flask(__name__)


def stats(user_id: str) -> Any:  # noqa: ANN401 - JSON
    """Return the breakdown from the database."""
    return database.stats(user_id, g.token)


def nothing(_user_id: str) -> None:
    """Invalidate nothing."""


add_routes(app, stats, nothing)
