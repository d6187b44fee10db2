"""FastAPI with fastapi-redis-sdk by Redis: `cache()` as a dependency, one key per user, `cache_evict()` on changes."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from redis_fastapi import FastAPIRedis, cache, cache_evict, get_settings

from benchmarks.contenders import database
from benchmarks.contenders.shared import REDIS_SECONDS, REDIS_URL, TTL, Caller, NotSignedInError, caller

settings = get_settings()
settings.url = REDIS_URL
settings.socket_timeout = settings.socket_connect_timeout = REDIS_SECONDS
app = FastAPI()
FastAPIRedis(app).lifespan().caching()


async def get_current_user(request: Request, authorization: Annotated[str | None, Header()] = None) -> Caller:
    """Return the caller and store it for the cache key, or answer 401."""
    try:
        request.state.caller = caller(authorization)
    except NotSignedInError:
        raise HTTPException(401, "Not signed in.") from None
    return request.state.caller  # type: ignore[no-any-return]


def key_of_caller(request: Request, eviction_group: str = "", prefix: str = "") -> str:
    """Return the user's cache key, used for reading and evicting."""
    return f"{prefix}:{eviction_group}:{request.state.caller.user_id}"


cached = cache(ttl=TTL, eviction_group="asin_stats", key_builder=key_of_caller, private=True)
evicting = cache_evict(eviction_group="asin_stats", key_builder=key_of_caller)


@app.get("/products/stats/asin-status", dependencies=[Depends(get_current_user), Depends(cached)])
async def asin_status(user: Annotated[Caller, Depends(get_current_user)]) -> Any:  # noqa: ANN401 - JSON
    """Return the breakdown from the database. It is not called on a hit."""
    return await database.async_stats(user.user_id, user.token)


@app.post("/products", status_code=201, dependencies=[Depends(get_current_user), Depends(evicting)])
async def create_product(product: dict[str, Any], user: Annotated[Caller, Depends(get_current_user)]) -> Any:  # noqa: ANN401
    """Create a product; the dependency deletes the cache entry."""
    return (await database.async_change(product, user.token))["deal"]


@app.get("/healthz")
async def healthz() -> str:
    """Return 200."""
    return "ok"
