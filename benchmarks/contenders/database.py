"""Call Supabase over HTTP as the calling user. Every contender uses the same client settings, synchronous or async."""

import os
from typing import Any, Final

import httpx

__all__ = ["STATUS", "async_change", "async_stats", "change", "stats"]

STATUS: Final = {"POST": 201, "PATCH": 200, "DELETE": 200}
"""The status of the answer to a change, by method."""

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
    return (
        _CLIENT.post("/get_asin_stats", json={"p_user_id": user_id}, headers=_headers(token)).raise_for_status().json()
    )


def change(method: str, deal_id: str, fields: object, token: str) -> dict[str, Any]:
    """Create a product with a deal (POST), change a deal (PATCH) or delete a deal (DELETE). Return the deal."""
    function, arguments = _change(method, deal_id, fields)
    return _deal(_CLIENT.post(function, json=arguments, headers=_headers(token)))


async def async_stats(user_id: str, token: str) -> Any:  # noqa: ANN401 - JSON
    """Return the breakdown of `user_id`."""
    answer = await _ASYNC_CLIENT.post("/get_asin_stats", json={"p_user_id": user_id}, headers=_headers(token))
    return answer.raise_for_status().json()


async def async_change(method: str, deal_id: str, fields: object, token: str) -> dict[str, Any]:
    """Do the same as `change`."""
    function, arguments = _change(method, deal_id, fields)
    return _deal(await _ASYNC_CLIENT.post(function, json=arguments, headers=_headers(token)))


def _change(method: str, deal_id: str, fields: object) -> tuple[str, dict[str, Any]]:
    if method == "POST":
        return "/create_product", {"p_product": fields, "p_deal": {}}
    if method == "PATCH":
        return "/update_deal", {"p_deal_id": deal_id, "p_changes": fields}
    return "/delete_deal", {"p_deal_id": deal_id, "p_hard": False}


def _deal(response: httpx.Response) -> dict[str, Any]:
    """Return the deal of an answer; an empty object after a deletion."""
    answer = response.raise_for_status().json()["answer"]
    return answer.get("deal", answer) if isinstance(answer, dict) else {}


def _headers(token: str) -> dict[str, str]:
    return {"apikey": _KEY, "Authorization": f"Bearer {token}"}
