"""What a starting server says about its Redis: one line, and what happens now."""

import logging

from flask import Flask

from app.caching import LeaseBackend
from app.caching.inspect import server_report
from app.extensions import cache

logger = logging.getLogger(__name__)


def announce(app: Flask) -> None:
    """Log whether Redis answers. Takes at most the Redis timeout; the server starts either way."""
    with app.app_context():
        backend = cache.cache
        if not isinstance(backend, LeaseBackend):
            logger.warning("No REDIS_URL is set: nothing is cached, every request asks the database")
            return
        server = server_report(backend.protocol)
        if server.connected:
            logger.info(
                "Redis connected successfully: %s, %s ms", server.server or "version unknown", server.latency_ms
            )
        else:
            logger.warning("Redis connection failed: every request asks the database until Redis answers")
