"""Configuration of gunicorn. Workers use threads, because requests mostly wait for Redis or the database.

The worker is our subclass of gthread; docs/decisions/worker.md states the reasons.
"""

import sys

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from app.serving.measuring import post_fork, post_request, pre_fork, pre_request
from app.telemetry import configure_logging
from config import ConfigurationError, load_settings

__all__ = ["post_fork", "post_request", "pre_fork", "pre_request"]  # hooks, which gunicorn calls

try:
    _settings = load_settings()
except ConfigurationError as error:
    # Stop the master. If only the workers failed, it would restart them endlessly.
    sys.exit("\n".join(error.mistakes))

bind = f"0.0.0.0:{_settings.port}"  # Render routes to the container's address, not to its loopback
worker_class = "app.serving.Worker"
workers = _settings.web_concurrency
threads = _settings.threads  # at most REDIS_MAX_CONNECTIONS - 2, so that no thread waits for a connection
timeout = 60  # seconds without a heartbeat after which a worker is killed
graceful_timeout = 20  # seconds that requests in flight get after SIGTERM
forwarder_headers = ""  # none of our proxies sets SCRIPT_NAME or PATH_INFO, so no client may set them
http_protocols = "h1"
http2_cleartext = "off"
sendfile = False  # it needs a blocking socket; our files are small
limit_request_line = 8190  # bytes; the cursor of a list sorted by title contains a title of up to 500 characters
keepalive = 5  # seconds an idle client connection is kept
max_requests = 0
control_socket_disable = True  # it would be created in HOME, and a second server would take it over
accesslog = None


class logger_class(Logger):  # type: ignore[misc]  # noqa: N801 - gunicorn's name for the setting
    """Writes gunicorn's log lines to the application's log, so that all lines have the same format."""

    def setup(self, cfg: object) -> None:
        """Configure the logs. gunicorn calls this in the master, before it starts workers."""
        super().setup(cfg)
        configure_logging(level=_settings.log_level, as_json=_settings.logs_json)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
