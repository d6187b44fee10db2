"""Call Supabase over HTTP as the calling user. Every contender uses the same client settings, synchronous or async."""

import os
from typing import Any, Final

import httpx

__all__ = ["async_change", "async_stats", "change", "stats"]

_KEY: Final = os.environ["SUPABASE_KEY"]
_SETTINGS: Final[dict[str, Any]] = {
    "base_url": f"{os.environ['SUPABASE_URL']}/rest/v1/rpc",
    "timeout": 8,
    # Node closes idle connections after about 6 s.
    "limits": httpx.Limits(max_connections=200, max_keepalive_connections=200, keepalive_expiry=4),
}
_CLIENT: Final = httpx.Client(**_SETTINGS)
_ASYNC_CLIENT: Final = httpx.AsyncClient(**_SETTINGS)


def stats(user_id: str, token: str) -> Any:  # noqa: ANN401 - JSON
    """Return the breakdown of `user_id`."""
    return _CLIENT.post("/get_asin_stats", json={"p_user_id": user_id}, headers=_as(token)).raise_for_status().json()


def change(product: object, token: str) -> Any:  # noqa: ANN401 - JSON
    """Create a product with a deal."""
    document = {"p_product": product, "p_deal": {}}
    return _CLIENT.post("/create_product", json=document, headers=_as(token)).raise_for_status().json()["answer"]


async def async_stats(user_id: str, token: str) -> Any:  # noqa: ANN401 - JSON
    """Return the breakdown of `user_id`."""
    answer = await _ASYNC_CLIENT.post("/get_asin_stats", json={"p_user_id": user_id}, headers=_as(token))
    return answer.raise_for_status().json()


async def async_change(product: object, token: str) -> Any:  # noqa: ANN401 - JSON
    """Create a product with a deal."""
    document = {"p_product": product, "p_deal": {}}
    answer = await _ASYNC_CLIENT.post("/create_product", json=document, headers=_as(token))
    return answer.raise_for_status().json()["answer"]


def _as(token: str) -> dict[str, str]:
    return {"apikey": _KEY, "Authorization": f"Bearer {token}"}
