"""What this package reads from Flask's context: the caller of a view, and the application's database."""

from flask import current_app

from app.auth import current_user
from app.database import Database
from app.products.repository import Repository


def caller_repository() -> Repository:
    """Return the repository of the user who calls the current view."""
    return Repository(_database(), current_user.token, current_user.user_id)


def database_is_available() -> bool:
    """Return False while the database is known to be down. Makes no call."""
    return _database().is_available


def _database() -> Database:
    database: Database = current_app.extensions["database"]
    return database
