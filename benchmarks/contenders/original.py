"""The pattern of the note this product started from: FastAPI, the waiting Redis client, `get`, `setex`, `delete`.

As there, the endpoints are coroutines that call waiting clients, Redis and the database alike.
"""

import json
import logging
from typing import Annotated, Any

import redis
from fastapi import Depends, FastAPI, Header, HTTPException

from benchmarks.contenders import database
from benchmarks.contenders.identity import Caller, NotSignedInError, caller
from benchmarks.contenders.settings import CONNECTIONS, REDIS_SECONDS, REDIS_URL, TTL

log = logging.getLogger(__name__)
app = FastAPI()
client = redis.Redis(
    connection_pool=redis.ConnectionPool.from_url(
        REDIS_URL,
        max_connections=CONNECTIONS,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        socket_keepalive=True,
        health_check_interval=30,
        decode_responses=True,
    )
)


def get_current_user(authorization: Annotated[str | None, Header()] = None) -> Caller:
    """Return the caller, or refuse."""
    try:
        return caller(authorization)
    except NotSignedInError:
        raise HTTPException(401, "Not signed in.") from None


def get_cached(key: str) -> Any:  # noqa: ANN401 - JSON
    """Return what is stored, None for nothing and for trouble."""
    try:
        value = client.get(key)
    except redis.RedisError as error:
        log.warning("Redis get failed: %s", error)
        return None
    return json.loads(value) if value else None  # type: ignore[arg-type]


def set_cached(key: str, value: object) -> None:
    """Store for TTL seconds, best effort."""
    try:
        client.setex(key, TTL, json.dumps(value))
    except redis.RedisError as error:
        log.warning("Redis set failed: %s", error)


def delete_cached(key: str) -> None:
    """Delete, best effort."""
    try:
        client.delete(key)
    except redis.RedisError as error:
        log.warning("Redis delete failed: %s", error)


@app.get("/products/stats/asin-status")
async def asin_status(user: Annotated[Caller, Depends(get_current_user)]) -> Any:  # noqa: ANN401 - JSON
    """Look in the cache first."""
    key = f"asin_stats:{user.user_id}"
    cached = get_cached(key)
    if cached is not None:
        return cached
    stats = database.stats(user.user_id, user.token)
    set_cached(key, stats)
    return stats


@app.post("/products", status_code=201)
async def create_product(product: dict[str, Any], user: Annotated[Caller, Depends(get_current_user)]) -> Any:  # noqa: ANN401
    """Change, then delete the entry."""
    made = database.change(product, user.token)
    delete_cached(f"asin_stats:{user.user_id}")
    return made["deal"]


@app.get("/healthz")
async def healthz() -> str:
    """Answer."""
    return "ok"
