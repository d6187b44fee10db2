"""`flask check` for operators: what a deployment needs, and whether it has it."""

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
    """Tell whether Redis and the database answer, and whether strangers can make themselves an account.

    Exits 0 when all is well, 1 when something is not.
    """
    found = {"redis": _redis(), "database": _database(), "sign-up": _sign_up()}
    for part, (is_well, words) in found.items():
        click.echo(f"{'ok ' if is_well else 'NOT'}  {part:<8}  {words}")
    if not all(is_well for is_well, _ in found.values()):
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
        return False, "open: whoever knows the publishable key can make an account (README.md says how to close it)"
    return True, "closed"


def _supabase() -> Database:
    database: Database = current_app.extensions["database"]
    return database
