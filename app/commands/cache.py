"""`flask cache …` for operators: show the state of the cache, and delete entries."""

import json
import sys
from typing import Any
from uuid import UUID

import click
from flask.cli import AppGroup

from app.caching import CacheUnavailableError, Freshness
from app.commands.auditing import audited
from app.extensions import cache
from app.products.flushing import flush_entries
from app.products.stats import asin_status_stats

cache_commands = AppGroup("cache", help="Show the cache of status breakdowns, or delete its entries.")


@cache_commands.command("status")
@click.option("--user", type=click.UUID, metavar="ID", help="Also show this user's entry.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts instead of a table.")
@audited("cache.status", "user")
def status(user: UUID | None, *, as_json: bool) -> None:
    """Show the Redis server and the number of our entries.

    Exit status: 0 when Redis answers, 1 when it does not or is not configured, 2 for wrong arguments.
    """
    report = cache_status(user)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        width = max(len(name) for name in report)
        for name, value in report.items():
            click.echo(f"{name.replace('_', ' '):<{width}}  {'-' if value is None else value}")


@cache_commands.command("flush")
@click.option("--user", type=click.UUID, metavar="ID", help="Delete this user's entry.")
@click.option("--all", "everybody", is_flag=True, help="Delete all entries of the cache and nothing else.")
@click.option("--force", is_flag=True, help="Also delete entries with changes in progress.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@audited("cache.flush", "user", "everybody")
def flush(user: UUID | None, *, everybody: bool, force: bool, yes: bool) -> None:
    """Delete one user's entry, or all entries of the cache, and print their number.

    While a change is in progress, the user's entry lists it, and no numbers are stored. The numbers in such an entry
    are deleted, but the list is kept until the change ends, or until 30 seconds after it began. --force deletes the
    list too. Even then, every later read reflects each change that is acknowledged afterwards. But if the worker is
    killed before it ends the change, numbers from before that change may be shown for up to CACHE_TTL.

    Exit status: 0 when done, 1 when Redis is not reachable or not configured, 2 for wrong arguments.
    """
    if (user is None) is not everybody:
        raise click.UsageError("Give either --user ID or --all.")
    _require_redis()
    if everybody and not yes:
        click.confirm("Delete all cached breakdowns? The next request of each user will read the database.", abort=True)
    deleted = delete_entries(user, force=force)
    number = "all" if deleted is None else deleted
    click.echo(f"{number} {'entry' if deleted == 1 else 'entries'} dropped")


def cache_status(user: UUID | None) -> dict[str, Any]:
    """Return the facts that `flask cache status` prints. Exits with status 1 when Redis does not answer."""
    _require_redis()
    try:
        cache.ping()  # first: a failing report would log the same message that is printed below
        report, entries = cache.report(), cache.size()
    except CacheUnavailableError as error:
        sys.exit(f"Redis is not available: {error}.")
    document = {
        "server": report.server.server,
        "latency_ms": report.server.latency_ms,
        "memory": report.server.info.get("used_memory_human"),
        "server_hit_rate_percent": report.server.hit_rate,
        "default_ttl_seconds": cache.cache.default_timeout,
        "entries": entries,
    } | _samples()
    if user is not None:
        entry = cache.entry(asin_status_stats.make_cache_key(str(user)))
        document |= {"cache_key": asin_status_stats.entry_name(str(user)), "state": entry and entry.state,
                     "ttl_seconds": entry and entry.ttl_seconds, "size_bytes": entry and entry.size_bytes}  # fmt: skip
    return document


def _samples() -> dict[str, int | None]:
    """Return the counts of the freshness sampler on this machine; None if the backend has no counters."""
    counters = cache.counters()
    events = counters.events if counters else {}
    return {f"samples_{result.replace('-', '_')}": events.get(result.counter) for result in Freshness}


def delete_entries(user: UUID | None, *, force: bool = False) -> int | None:
    """Delete entries like `flush_entries`. Exits with status 1 when Redis fails."""
    try:
        return flush_entries(user, force=force)
    except CacheUnavailableError as error:
        sys.exit(f"Redis did not drop the entries: {error}.")


def _require_redis() -> None:
    if not cache.stores:
        sys.exit("No Redis is configured: set REDIS_URL.")
