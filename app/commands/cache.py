"""`flask cache …` for operators: what the cache holds, and how to empty it."""

import json
import sys
from typing import Any
from uuid import UUID

import click
from flask.cli import AppGroup

from app.caching import CacheUnavailableError
from app.commands.auditing import audited
from app.extensions import cache
from app.products.stats import asin_status_stats

cache_commands = AppGroup("cache", help="Look into the cache of status breakdowns, or empty it.")


@cache_commands.command("status")
@click.option("--user", type=click.UUID, metavar="ID", help="Also show this user's entry.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts instead of a table.")
@audited("cache.status", "user")
def status(user: UUID | None, *, as_json: bool) -> None:
    """Show the server, and how many entries it holds for us.

    Exits 0 when Redis answers, 1 when it does not or none is configured, 2 when called wrongly.
    """
    report = cache_status(user)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        width = max(len(name) for name in report)
        for name, value in report.items():
            click.echo(f"{name.replace('_', ' '):<{width}}  {'-' if value is None else value}")


@cache_commands.command("flush")
@click.option("--user", type=click.UUID, metavar="ID", help="Drop this user's entry.")
@click.option("--all", "everybody", is_flag=True, help="Drop all entries; nothing else in the database is touched.")
@click.option("--force", is_flag=True, help="Drop the marks of changes under way as well.")
@click.option("--yes", is_flag=True, help="Do not ask before dropping all.")
@audited("cache.flush", "user", "everybody")
def flush(user: UUID | None, *, everybody: bool, force: bool, yes: bool) -> None:
    """Drop one user's entry or all of ours, and say how many went.

    While a user's change is under way, their entry is a mark that keeps others from storing numbers. It stays: it goes
    when the change has ended, or 30 seconds after it began. With --force it goes now. Every change that is acknowledged
    afterwards still shows in every later read; but if the worker of a change is killed before it ends, numbers from
    before that change may be shown for up to CACHE_TTL.

    Exits 0 when it is done, 1 when Redis cannot be reached or none is configured, 2 when called wrongly.
    """
    if (user is None) is not everybody:
        raise click.UsageError("Say either --user ID or --all.")
    _require_a_cache()
    if everybody and not yes:
        click.confirm("Drop all cached breakdowns? The next request of each user asks the database.", abort=True)
    dropped = drop_entries(user, force=force)
    number = "all" if dropped is None else dropped
    click.echo(f"{number} {'entry' if dropped == 1 else 'entries'} dropped")


def cache_status(user: UUID | None) -> dict[str, Any]:
    """Return what `flask cache status` prints; ends the command with status 1 when Redis does not answer."""
    _require_a_cache()
    try:
        cache.ping()  # first: the report's own failure would be logged, and repeat what is said here
        report, entries = cache.report(), cache.size()
    except CacheUnavailableError as error:
        sys.exit(f"Redis could not be asked: {error}.")
    document = {
        "server": report.server.server,
        "latency_ms": report.server.latency_ms,
        "memory": report.server.info.get("used_memory_human"),
        "server_hit_rate_percent": report.server.hit_rate,
        "default_ttl_seconds": cache.cache.default_timeout,
        "entries": entries,
    }
    if user is not None:
        entry = cache.entry(asin_status_stats.make_cache_key(str(user)))
        document |= {"cache_key": asin_status_stats.entry_name(str(user)), "state": entry and entry.state,
                     "ttl_seconds": entry and entry.ttl_seconds, "size_bytes": entry and entry.size_bytes}  # fmt: skip
    return document


def drop_entries(user: UUID | None, *, force: bool = False) -> int | None:
    """Drop one user's entry or (None) all of ours, marks of changes under way only with `force`.

    Returns how many went, None when that is unknown. Ends the command when Redis fails.
    """
    try:
        if user is None:
            return cache.flush(force=force)
        return cache.drop(asin_status_stats.make_cache_key(str(user)), force=force)
    except CacheUnavailableError as error:
        sys.exit(f"Redis could not do it: {error}.")


def _require_a_cache() -> None:
    if not cache.stores:
        sys.exit("No Redis is configured: set REDIS_URL.")
