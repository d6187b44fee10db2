"""fastapi-redis-sdk, Redis' own: `cache()` as a dependency with a key per user, `cache_evict()` on changes."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from redis_fastapi import FastAPIRedis, cache, cache_evict, get_settings

from benchmarks.contenders import database
from benchmarks.contenders.identity import Caller, NotSignedInError, caller
from benchmarks.contenders.settings import REDIS_SECONDS, REDIS_URL, TTL

settings = get_settings()
settings.url = REDIS_URL
settings.socket_timeout = settings.socket_connect_timeout = REDIS_SECONDS
app = FastAPI()
FastAPIRedis(app).lifespan().caching()


async def get_current_user(request: Request, authorization: Annotated[str | None, Header()] = None) -> Caller:
    """Return the caller, whom the key needs too, or refuse."""
    try:
        request.state.caller = caller(authorization)
    except NotSignedInError:
        raise HTTPException(401, "Not signed in.") from None
    return request.state.caller  # type: ignore[no-any-return]


def key_of_caller(request: Request, eviction_group: str = "", prefix: str = "") -> str:
    """Return one key per user, the same for reading and evicting."""
    return f"{prefix}:{eviction_group}:{request.state.caller.user_id}"


cached = cache(ttl=TTL, eviction_group="asin_stats", key_builder=key_of_caller, private=True)
evicting = cache_evict(eviction_group="asin_stats", key_builder=key_of_caller)


@app.get("/products/stats/asin-status", dependencies=[Depends(get_current_user), Depends(cached)])
async def asin_status(user: Annotated[Caller, Depends(get_current_user)]) -> Any:  # noqa: ANN401 - JSON
    """Return the breakdown from the database; on a hit this does not run."""
    return await database.awaited_stats(user.user_id, user.token)


@app.post("/products", status_code=201, dependencies=[Depends(get_current_user), Depends(evicting)])
async def create_product(product: dict[str, Any], user: Annotated[Caller, Depends(get_current_user)]) -> Any:  # noqa: ANN401
    """Change; the dependency deletes the entry."""
    return (await database.awaited_change(product, user.token))["deal"]


@app.get("/healthz")
async def healthz() -> str:
    """Answer."""
    return "ok"
