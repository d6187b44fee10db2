"""The line that a starting server logs about its cache."""

import logging

from flask import Flask

from app.extensions import cache

logger = logging.getLogger(__name__)


def announce(app: Flask) -> None:
    """Log the state of the cache. Takes at most the Redis timeout; the server starts in any case."""
    with app.app_context():
        report = cache.report()
    if not report.never_stale:
        logger.warning("%s", _warning(app.config["CACHE_TYPE"]))
    elif report.server.connected:
        version, latency = report.server.server or "version unknown", report.server.latency_ms
        logger.info("Redis connected successfully: %s, %s ms", version, latency)
    else:
        logger.warning("Redis connection failed: every request reads from the database until Redis answers")


def _warning(chosen: str | None) -> str:
    if chosen is None:
        return "No REDIS_URL is set: nothing is cached, every request reads from the database"
    if chosen == "NullCache":
        return "CACHE_TYPE is NullCache: nothing is cached, every request reads from the database"
    return f"CACHE_TYPE is {chosen}: numbers may be older than the last change, by up to CACHE_TTL seconds"
