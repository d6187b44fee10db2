"""The pattern of the note that this product is based on: FastAPI, the synchronous Redis client, `get`/`setex`/`delete`.

As in the note, the endpoints are coroutines that call synchronous clients, for Redis and for the database.
"""

import json
import logging
from typing import Annotated, Any

import redis
from fastapi import Body, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse

from benchmarks.contenders import database
from benchmarks.contenders.shared import CONNECTIONS, REDIS_SECONDS, REDIS_URL, TTL, Caller, NotSignedInError, caller

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
    """Return the caller, or answer 401."""
    try:
        return caller(authorization)
    except NotSignedInError:
        raise HTTPException(401, "Not signed in.") from None


def get_cached(key: str) -> Any:  # noqa: ANN401 - JSON
    """Return the cached value; None on a miss and on a Redis error."""
    try:
        value = client.get(key)
    except redis.RedisError as error:
        log.warning("Redis get failed: %s", error)
        return None
    return json.loads(value) if value else None  # type: ignore[arg-type]


def set_cached(key: str, value: object) -> None:
    """Store the value for TTL seconds; log and ignore Redis errors."""
    try:
        client.setex(key, TTL, json.dumps(value))
    except redis.RedisError as error:
        log.warning("Redis set failed: %s", error)


def delete_cached(key: str) -> None:
    """Delete the value; log and ignore Redis errors."""
    try:
        client.delete(key)
    except redis.RedisError as error:
        log.warning("Redis delete failed: %s", error)


@app.get("/products/stats/asin-status")
async def asin_status(user: Annotated[Caller, Depends(get_current_user)]) -> Any:  # noqa: ANN401 - JSON
    """Return the breakdown from the cache, or from the database on a miss."""
    key = f"asin_stats:{user.user_id}"
    cached = get_cached(key)
    if cached is not None:
        return cached
    stats = database.stats(user.user_id, user.token)
    set_cached(key, stats)
    return stats


@app.api_route("/products/deal/{deal_id}", methods=["PATCH", "DELETE"])
@app.post("/products")
async def change(
    request: Request,
    user: Annotated[Caller, Depends(get_current_user)],
    deal_id: str = "",
    fields: Annotated[dict[str, Any] | None, Body()] = None,
) -> JSONResponse:
    """Create a product, change a deal or delete a deal; then delete the cache entry."""
    deal = database.change(request.method, deal_id, fields, user.token)
    delete_cached(f"asin_stats:{user.user_id}")
    return JSONResponse(deal, database.STATUS[request.method])


@app.get("/healthz")
async def healthz() -> str:
    """Return 200."""
    return "ok"
