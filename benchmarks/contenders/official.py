"""FastAPI with fastapi-redis-sdk by Redis: `cache()` as a dependency, one key per user, `cache_evict()` on changes."""

from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
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
changing = [Depends(get_current_user), Depends(evicting)]


@app.get("/products/stats/asin-status", dependencies=[Depends(get_current_user), Depends(cached)])
async def asin_status(user: Annotated[Caller, Depends(get_current_user)]) -> Any:  # noqa: ANN401 - JSON
    """Return the breakdown from the database. It is not called on a hit."""
    return await database.async_stats(user.user_id, user.token)


@app.api_route("/products/deal/{deal_id}", methods=["PATCH", "DELETE"], dependencies=changing)
@app.post("/products", dependencies=changing)
async def change(
    request: Request,
    user: Annotated[Caller, Depends(get_current_user)],
    deal_id: str = "",
    fields: Annotated[dict[str, Any] | None, Body()] = None,
) -> JSONResponse:
    """Create a product, change a deal or delete a deal; the dependency deletes the cache entry."""
    deal = await database.async_change(request.method, deal_id, fields, user.token)
    return JSONResponse(deal, database.STATUS[request.method])


@app.get("/healthz")
async def healthz() -> str:
    """Return 200."""
    return "ok"
