"""The operators' pages: the cache live, and the Redis server."""

from typing import Any

from flask import current_app, render_template
from flask.typing import ResponseReturnValue

from app.desk.blueprint import desk
from app.desk.figures import error_counts, figures, freshness_counts
from app.desk.server_facts import server_facts
from app.desk.sessions import for_operators, for_watching_operators
from app.extensions import cache
from app.metrics.history import EVERY_SECONDS, History


@desk.get("/operations")
@for_operators
def operations() -> ResponseReturnValue:
    """Show the figures of the cache, and a chart of the last minutes."""
    return render_template("operations.html", **_figures())


@desk.get("/operations/figures")
@for_watching_operators
def operations_figures() -> ResponseReturnValue:
    """Return the figures alone, for the page that is open."""
    return render_template("operations_figures.html", **_figures())


@desk.get("/operations/redis")
@for_operators
def operations_redis() -> ResponseReturnValue:
    """Show what the Redis server reports about itself."""
    report = cache.report()
    return render_template("operations_redis.html", report=report, groups=server_facts(report.server.info))


def _figures() -> dict[str, Any]:
    report = cache.report()
    history: History = current_app.extensions["history"]
    return {
        "figures": figures(report),
        "counts": report.counters is not None,
        "samples": freshness_counts(report.counters),
        "share": current_app.config["FRESHNESS_SAMPLE"],
        "failures": error_counts(report.counters),
        "intervals": history.intervals(),
        "every": EVERY_SECONDS,
    }
