"""What this package reads from Flask's context: the caller of a view, and the application's database."""

from flask import current_app

from app.auth import current_user
from app.database import Database
from app.products.repository import Repository


def caller_repository() -> Repository:
    """Return the repository of the user who calls the current view."""
    return Repository(_database(), current_user.token, current_user.user_id)


def own_repository(user_id: str) -> Repository:
    """Return the repository of the caller, who must be `user_id`: the key of a cached result names its owner.

    Raises:
        ValueError: `user_id` is not the caller.

    """
    if user_id != current_user.user_id:
        raise ValueError("A result that is cached for a user must be computed from the data of this user")
    return caller_repository()


def database_is_available() -> bool:
    """Return False while the database is known to be down. Makes no call."""
    return _database().is_available


def _database() -> Database:
    database: Database = current_app.extensions["database"]
    return database
