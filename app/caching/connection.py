"""Connections to Redis with every time-out bounded and no surprise at the start."""

from typing import Any, TypeAlias

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from app.caching.incarnation import Incarnation

HEALTH_CHECK_SECONDS = 30

RedisClient: TypeAlias = Redis


def connect(url: str, incarnation: Incarnation, *, max_connections: int, timeout: float) -> RedisClient:
    """Return a client for `url`; nothing is sent until the first command.

    Args:
        url: redis://, rediss:// (the certificate is verified) or unix://.
        incarnation: is told of the server behind each new connection.
        max_connections: size of the pool; a thread waits up to `timeout` for a connection to come free.
        timeout: seconds for connecting and for each reply.

    No command is retried: with retries and health checks nested, a hung server costs minutes, (N+1)² time-outs.
    RESP2 and neither client info nor maintenance notifications: older servers answer those with errors.

    """
    keepalive: dict[str, Any] = {} if url.startswith("unix://") else {"socket_keepalive": True}
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
        redis_connect_func=incarnation.meet,
        **keepalive,
    )
    return Redis(connection_pool=pool)
