"""Time-outs as Flask-Caching takes them."""

import datetime as dt
import math

from flask_caching.utils import normalize_timeout

Timeout = int | dt.timedelta | None
"""Seconds, or None for the default."""


def seconds_of(timeout: Timeout, default: int) -> int:
    """Return a time-out in whole seconds, rounded up. Raises ValueError for a negative one."""
    seconds = default if timeout is None else math.ceil(normalize_timeout(timeout) or 0)
    if seconds < 0:
        raise ValueError(f"a timeout must not be negative: {timeout}")
    return seconds
