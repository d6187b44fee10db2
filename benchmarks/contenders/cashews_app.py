"""FastAPI with cashews: its decorator on an async function, `cache.delete` after a change.

With CASHEWS_LOCK=1 the decorator also takes a lock. The documentation of cashews recommends it against cache stampedes.
"""

import os
from typing import Annotated, Any

from cashews import Cache
from fastapi import Body, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse

from benchmarks.contenders import database
from benchmarks.contenders.shared import CONNECTIONS, REDIS_SECONDS, REDIS_URL, TTL, Caller, NotSignedInError, caller

app = FastAPI()
cache = Cache()
cache.setup(REDIS_URL, max_connections=CONNECTIONS, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)


async def get_current_user(authorization: Annotated[str | None, Header()] = None) -> Caller:
    """Return the caller, or answer 401."""
    try:
        return caller(authorization)
    except NotSignedInError:
        raise HTTPException(401, "Not signed in.") from None


@cache(ttl=TTL, key="asin_stats:{user_id}", lock=os.environ.get("CASHEWS_LOCK") == "1")
async def stats(user_id: str, token: str) -> Any:  # noqa: ANN401 - JSON
    """Return the breakdown from the database."""
    return await database.async_stats(user_id, token)


@app.get("/products/stats/asin-status")
async def asin_status(user: Annotated[Caller, Depends(get_current_user)]) -> Any:  # noqa: ANN401 - JSON
    """Return the cached breakdown."""
    return await stats(user.user_id, user.token)


@app.api_route("/products/deal/{deal_id}", methods=["PATCH", "DELETE"])
@app.post("/products")
async def change(
    request: Request,
    user: Annotated[Caller, Depends(get_current_user)],
    deal_id: str = "",
    fields: Annotated[dict[str, Any] | None, Body()] = None,
) -> JSONResponse:
    """Create a product, change a deal or delete a deal; then delete the cache entry."""
    deal = await database.async_change(request.method, deal_id, fields, user.token)
    await cache.delete(f"asin_stats:{user.user_id}")
    return JSONResponse(deal, database.STATUS[request.method])


@app.get("/healthz")
async def healthz() -> str:
    """Return 200."""
    return "ok"
