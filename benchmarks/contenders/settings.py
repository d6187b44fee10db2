"""What the contenders read from the environment, under the names the application uses."""

import os
from typing import Final

__all__ = ["CONNECTIONS", "REDIS_SECONDS", "REDIS_URL", "TTL"]

REDIS_URL: Final = os.environ["REDIS_URL"]
TTL: Final = int(os.environ["CACHE_TTL"])
CONNECTIONS: Final = max(10, int(os.environ["THREADS"]))
REDIS_SECONDS: Final = 2.0
