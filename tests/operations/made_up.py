"""Made-up series for each alert: a time of trouble, in which it fires, and a normal time, in which it does not.

There is a sample each minute. Alerts are judged half a minute after a sample. `0+6x80` means: from 0 on, 6 more in
each minute.
"""

from dataclasses import dataclass
from typing import Final

MINUTES: Final = 80.5


@dataclass(frozen=True, slots=True)
class Case:
    """The series of one alert.

    Attributes:
        trouble: the name of each series and its values in a time of trouble.
        normal: other values for some of them in a normal time, at the edge of trouble where that is possible.

    """

    trouble: dict[str, str]
    normal: dict[str, str]


_OK: Final = 'asin_desk_request_seconds_count{method="GET",route="/products",status="200"}'
_BAD: Final = 'asin_desk_request_seconds_count{method="GET",route="/products",status="503"}'
_READ: Final = 'asin_desk_database_call_seconds_count{function="get_asin_stats",result="ok"}'
_FAILED: Final = 'asin_desk_database_call_seconds_count{function="get_asin_stats",result="failed"}'


def _buckets(metric: str, labels: str, *bounds: str) -> tuple[str, ...]:
    return tuple(f'{metric}_bucket{{{labels}le="{bound}"}}' for bound in bounds)


_LIST: Final = _buckets("asin_desk_request_seconds", 'route="/products",', "1.0", "2.5", "+Inf")
_IMPORT: Final = _buckets("asin_desk_request_seconds", 'route="/products/import",', "1.0", "2.5", "+Inf")
_STATS: Final = _buckets("asin_desk_request_seconds", 'route="/products/stats/asin-status",', "0.1", "0.25", "+Inf")
_REDIS: Final = _buckets("asin_desk_redis_call_seconds", "", "0.025", "0.05", "+Inf")

CASES: Final = {
    "AppDown": Case({'up{job="asin-desk"}': "1x70 0x9"}, {'up{job="asin-desk"}': "1x79 0"}),
    "ManyServerErrors": Case(
        {_OK: "0+90x80", _BAD: "0x40 0+10x39"},
        {_OK: "0+97x80", _BAD: "0+3x80"},
    ),
    "SlowRequests": Case(
        {_LIST[0]: "0+90x80", _LIST[1]: "0+100x80", _LIST[2]: "0+100x80"},
        {
            _LIST[0]: "0+96x80",
            _LIST[1]: "0+100x80",
            _LIST[2]: "0+100x80",
            _IMPORT[0]: "0x80",
            _IMPORT[1]: "0+50x80",
            _IMPORT[2]: "0+50x80",
        },
    ),
    "SlowCachedReads": Case(
        {_STATS[0]: "0+90x80", _STATS[1]: "0+100x80", _STATS[2]: "0+100x80"},
        {
            _STATS[0]: "0+96x80",
            _STATS[1]: "0+100x80",
            _STATS[2]: "0+100x80",
            _LIST[0]: "0x80",
            _LIST[1]: "0+50x80",
            _LIST[2]: "0+50x80",
        },
    ),
    "ThreadsExhausted": Case(
        {"asin_desk_requests_in_flight": "2x70 15x9", "asin_desk_threads": "16x80"},
        {"asin_desk_requests_in_flight": "14x80"},
    ),
    "WorkersRestart": Case(
        {"asin_desk_worker_starts_total": "4x70 4+1x9", "asin_desk_workers": "4x80"},
        {"asin_desk_worker_starts_total": "4x75 4x4"},
    ),
    "TransfersRefused": Case(
        {'asin_desk_refused_requests_total{status="503"}': "0x70 0+3x9"},
        {
            'asin_desk_refused_requests_total{status="503"}': "0x75 1x4",
            'asin_desk_refused_requests_total{status="400"}': "0+9x80",
        },
    ),
    "DatabaseDown": Case({"asin_desk_database_down": "0x70 1x9"}, {"asin_desk_database_down": "0x79 1"}),
    "DatabaseCallsFail": Case(
        {_READ: "0+90x80", _FAILED: "0x40 0+10x39"},
        {_READ: "0+97x80", _FAILED: "0+3x80"},
    ),
    "DatabaseSlotsExhausted": Case(
        {"asin_desk_database_slots_used": "1x70 12x9", "asin_desk_database_slots": "12x80"},
        {"asin_desk_database_slots_used": "10x80"},
    ),
    "RedisDown": Case({"asin_desk_breaker_open": "0x70 2x9"}, {"asin_desk_breaker_open": "0x79 2"}),
    "RedisErrors": Case(
        {'asin_desk_redis_errors_total{kind="timeout"}': "0x70 0+4x9"},
        {'asin_desk_redis_errors_total{kind="timeout"}': "0x70 0+1x9"},
    ),
    "SlowRedis": Case(
        {_REDIS[0]: "0+900x80", _REDIS[1]: "0+1000x80", _REDIS[2]: "0+1000x80"},
        {_REDIS[0]: "0+995x80"},
    ),
    "OwedDeletes": Case({"asin_desk_owed_deletes": "0x70 1x9"}, {"asin_desk_owed_deletes": "0x76 1x3"}),
    "StaleAnswerFromTheCache": Case(
        {'asin_desk_freshness_samples_total{result="stale"}': "0x74 1x5"},
        {
            'asin_desk_freshness_samples_total{result="stale"}': "1x80",
            'asin_desk_freshness_samples_total{result="writer-in-flight"}': "0+1x80",
        },
    ),
    "FreshnessIsNotMeasured": Case(
        {'asin_desk_freshness_samples_total{result="verified"}': "5x140"},
        {'asin_desk_freshness_samples_total{result="verified"}': "5x115 6x24"},
    ),
    "ImportsFail": Case(
        {'asin_desk_import_seconds_count{result="failed"}': "0x60 0+1x19"},
        {
            'asin_desk_import_seconds_count{result="failed"}': "0x60 2x19",
            'asin_desk_import_seconds_count{result="ok"}': "0+9x80",
        },
    ),
    "PasswordGuessing": Case(
        {
            'asin_desk_audit_events_total{event="sign-in",outcome="refused"}': "0x70 0+8x9",
            'asin_desk_audit_events_total{event="sign-in",outcome="limited"}': "0x70 0+8x9",
        },
        {
            'asin_desk_audit_events_total{event="sign-in",outcome="refused"}': "0x70 0+1x9",
            'asin_desk_audit_events_total{event="sign-in",outcome="limited"}': "0x80",
            'asin_desk_audit_events_total{event="sign-in",outcome="ok"}': "0+100x80",
        },
    ),
}
"""The series of each alert, by its name."""
