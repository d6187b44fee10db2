"""Connections to Redis with every time-out bounded and no surprise at the start."""

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

HEALTH_CHECK_SECONDS = 30


def connect(url: str, *, max_connections: int, timeout: float) -> Redis:
    """Return a client for `url`; nothing is sent until the first command.

    Args:
        url: redis://, rediss:// or unix://.
        max_connections: size of the pool; a thread waits up to `timeout` for a connection to come free.
        timeout: seconds for connecting and for each reply.

    No command is retried: with retries and health checks nested, a hung server costs minutes (N+1)² x timeout.
    RESP2 and neither client info nor maintenance notifications: older servers answer those with errors.

    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        health_check_interval=HEALTH_CHECK_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        **({} if url.startswith("unix://") else {"socket_keepalive": True}),
    )
    return Redis(connection_pool=pool)
