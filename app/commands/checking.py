"""`flask check` for operators: test the services and settings that a deployment needs."""

import sys

import click
from flask import current_app
from flask.cli import with_appcontext

from app.caching import CacheUnavailableError
from app.commands.auditing import audited
from app.database import Database, DatabaseUnavailableError
from app.extensions import cache


@click.command("check")
@with_appcontext
@audited("check")
def check() -> None:
    """Check that Redis and the database answer, and that strangers cannot create an account.

    Exit status: 0 when every check passes, 1 otherwise.
    """
    found = {"redis": _redis(), "database": _database(), "sign-up": _sign_up()}
    for part, (passed, words) in found.items():
        click.echo(f"{'ok' if passed else 'FAIL':<5}{part:<10}{words}")
    if not all(passed for passed, _ in found.values()):
        sys.exit(1)


def _redis() -> tuple[bool, str]:
    if not cache.stores:
        return False, "not configured: set REDIS_URL"
    try:
        cache.ping()
    except CacheUnavailableError as error:
        return False, f"{error}"
    return True, "answers"


def _database() -> tuple[bool, str]:
    try:
        _supabase().latency()
    except DatabaseUnavailableError:
        return False, "does not answer, or the migrations are not applied"
    return True, "answers"


def _sign_up() -> tuple[bool, str]:
    try:
        is_open = _supabase().sign_up_is_open()
    except DatabaseUnavailableError as error:
        return False, str(error)
    if is_open:
        return False, "open: anybody with the publishable key can create an account (see docs/deployment.md)"
    return True, "closed"


def _supabase() -> Database:
    database: Database = current_app.extensions["database"]
    return database
