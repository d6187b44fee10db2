"""Every metric that the application counts itself. `app.diagnostics` adds the counters of the cache engine."""

from typing import Final

from app.metrics.instruments import Counter, Gauge, Histogram

# Bounds in seconds. A cached read takes about 0.5 ms, and a database call may take until SUPABASE_TIMEOUT, 10 s.
_REQUEST_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_IMPORT_BOUNDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

RULE: Final = "asin_desk.rule"
"""Key of the WSGI environment for the URL rule of a request, a `werkzeug.routing.Rule`; None for unknown addresses."""

REQUESTS: Final = Histogram(
    "asin_desk_request_seconds",
    "Requests by method, route and status: from the complete head until the whole response is sent or buffered.",
    bounds=_REQUEST_BOUNDS,
    labels=("method", "route", "status"),
)
REFUSED_REQUESTS: Final = Counter(
    "asin_desk_refused_requests",
    "Requests that were refused before they reached the application.",
    labels=("status",),
    expected=[(status,) for status in ("400", "408", "431", "503")],
)
IN_FLIGHT: Final = Gauge("asin_desk_requests_in_flight", "Requests that a thread serves, or that wait for a thread.")
CONNECTIONS: Final = Gauge("asin_desk_client_connections", "Open connections to clients, idle ones included.")
THREADS: Final = Gauge("asin_desk_threads", "Threads that serve requests.")
WORKERS: Final = Gauge("asin_desk_workers", "Workers that are alive.")
WORKER_STARTS: Final = Counter("asin_desk_worker_starts", "Workers that were started, also in place of ended ones.")

DATABASE_CALLS: Final = Histogram(
    "asin_desk_database_call_seconds",
    "Calls to Supabase by SQL function (`auth`: Supabase Auth) and result; without the wait for a free slot.",
    bounds=_REQUEST_BOUNDS,
    labels=("function", "result"),
)
DATABASE_SLOTS_USED: Final = Gauge("asin_desk_database_slots_used", "Database calls that run now.")
DATABASE_SLOTS: Final = Gauge("asin_desk_database_slots", "Database calls that can run at the same time.")
DATABASE_DOWN: Final = Gauge("asin_desk_database_down", "Workers that consider the database down.")

REDIS_CALLS: Final = Histogram(
    "asin_desk_redis_call_seconds",
    "Redis commands of cached reads and of writes, with the wait for a free connection. Not measured in a cluster.",
    bounds=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5),
)
REDIS_CONNECTIONS_USED: Final = Gauge("asin_desk_redis_connections_used", "Redis connections that run a command now.")
REDIS_CONNECTIONS: Final = Gauge("asin_desk_redis_connections", "Redis connections that commands may use.")
REDIS_DOWN: Final = Gauge("asin_desk_breaker_open", "Workers that do not use Redis, because their breaker is open.")
OWED_DELETES: Final = Gauge("asin_desk_owed_deletes", "Deletes that workers owe, because Redis did not answer.")

IMPORTS: Final = Histogram(
    "asin_desk_import_seconds",
    "Imports by result, without dry runs.",
    bounds=_IMPORT_BOUNDS,
    labels=("result",),
    expected=[("ok",), ("failed",)],
)
IMPORTED_ROWS: Final = Counter(
    "asin_desk_import_rows",
    "Rows of imports by result, without dry runs.",
    labels=("result",),
    expected=[(result,) for result in ("created", "updated", "unchanged", "repeated", "rejected")],
)
CANDIDATE_FILES: Final = Histogram(
    "asin_desk_candidates_seconds",
    "Imports of look-up results by result.",
    bounds=_IMPORT_BOUNDS,
    labels=("result",),
    expected=[("ok",), ("failed",)],
)
CANDIDATE_ROWS: Final = Counter(
    "asin_desk_candidates_rows",
    "Rows of look-up results by result.",
    labels=("result",),
    expected=[(result,) for result in ("stored", "unchanged", "never", "empty", "unknown", "rejected")],
)
AUDIT_EVENTS: Final = Counter(
    "asin_desk_audit_events", "Lines of the audit log by event and outcome.", labels=("event", "outcome")
)

ALL: Final = (
    *(REQUESTS, REFUSED_REQUESTS, IN_FLIGHT, CONNECTIONS, THREADS, WORKERS, WORKER_STARTS),
    *(DATABASE_CALLS, DATABASE_SLOTS_USED, DATABASE_SLOTS, DATABASE_DOWN),
    *(REDIS_CALLS, REDIS_CONNECTIONS_USED, REDIS_CONNECTIONS, REDIS_DOWN, OWED_DELETES),
    *(IMPORTS, IMPORTED_ROWS, CANDIDATE_FILES, CANDIDATE_ROWS, AUDIT_EVENTS),
)
"""All of them."""
