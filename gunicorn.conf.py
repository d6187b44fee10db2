"""How gunicorn serves the application: threads, because a request waits for Redis or the database, never computes.

The worker is our own subclass of gthread; docs/decisions/worker.md says why.
"""

import sys

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from app.telemetry import configure_logging
from config import ConfigurationError, load_settings

try:
    _settings = load_settings()
except ConfigurationError as error:
    # Here, not only in the workers: the master would restart a failing worker for ever.
    sys.exit("\n".join(error.mistakes))

bind = f"0.0.0.0:{_settings.port}"  # Render routes to the container's address, not to its loopback
worker_class = "app.serving.Worker"
workers = _settings.web_concurrency
threads = _settings.threads  # at most REDIS_MAX_CONNECTIONS - 2, so that no thread waits for a connection
timeout = 60  # seconds a worker may be silent
graceful_timeout = 20  # seconds for requests in flight on SIGTERM
forwarder_headers = ""  # no proxy of ours sets SCRIPT_NAME or PATH_INFO; from anybody else they would be a mistake
http_protocols = "h1"
http2_cleartext = "off"
sendfile = False  # it needs a socket that blocks; our files are small
limit_request_line = 8190  # bytes: the cursor of a list by title carries a title of up to 500 characters
keepalive = 5  # seconds an idle client connection is kept
max_requests = 0
control_socket_disable = True  # it would live in HOME, and a second server would take it over
accesslog = None


class logger_class(Logger):  # type: ignore[misc]  # noqa: N801 - gunicorn's name for the setting
    """Send gunicorn's own lines through the application's log, so that every line has the same form."""

    def setup(self, cfg: object) -> None:
        """Set the logs up; gunicorn calls it in the master, before the first worker."""
        super().setup(cfg)
        configure_logging(level=_settings.log_level, as_json=_settings.logs_json)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
