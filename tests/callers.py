"""Callers of the database over HTTP, as the app or an attacker would be: users with a token, and anonymous ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from local.supabase import SupabaseServer
from tests.clients import client, new_account, new_title


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller of Supabase's REST interface.

    Attributes:
        http: sends requests to the REST interface with this caller's key and token.
        id: the user's id; empty for an anonymous caller.

    """

    http: httpx.Client
    id: str = ""

    def rpc(self, function: str, **arguments: object) -> httpx.Response:
        """Call a database function with named arguments."""
        return self.http.post(f"/rpc/{function}", json=arguments)

    def gets(self, function: str, **arguments: object) -> Any:  # noqa: ANN401 - any JSON
        """Call a database function that must succeed and return what it returned."""
        response = self.rpc(function, **arguments)
        assert response.status_code == 200, response.text
        return response.json()

    def changes(self, function: str, **arguments: object) -> Any:  # noqa: ANN401 - any JSON
        """Call a database function that changes rows and must succeed. Return its answer, without the envelope."""
        return self.gets(function, **arguments)["answer"]

    def creates(self, *, deal: Mapping[str, Any] | None = None, **product: Any) -> dict[str, Any]:  # noqa: ANN401
        """Create a deal with `create_product` and return its list entry.

        The default title is unique, because products with the same title would be the same product.
        """
        title = new_title()
        answer = self.changes("create_product", p_product={"title": title, **product}, p_deal=deal or {})
        entry: dict[str, Any] = answer["deal"]
        return entry

    def lists(self, **arguments: object) -> list[dict[str, Any]]:
        """Return the entries of one page of `list_deals`; the default limit is 1000."""
        items: list[dict[str, Any]] = self.gets("list_deals", **{"p_limit": 1000, **arguments})["items"]
        return items

    def pages(self, **arguments: object) -> Iterator[list[dict[str, Any]]]:
        """Yield the entries of each page of `list_deals`, following `next` until there is none."""
        after: dict[str, object] = {}
        while True:
            page = self.gets("list_deals", **arguments, **after)
            yield page["items"]
            if page["next"] is None:
                return
            after = {"p_after_value": page["next"]["value"], "p_after_id": page["next"]["id"]}

    def reads_stats(self) -> dict[str, int]:
        """Return this user's own stats."""
        stats: dict[str, int] = self.gets("get_asin_stats", p_user_id=self.id)
        return stats


def caller_with(supabase: SupabaseServer, token: str, *, user_id: str = "") -> Caller:
    """Return a caller with `token`. An anonymous caller uses the publishable key alone."""
    headers = {"apikey": supabase.publishable_key}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return Caller(client(f"{supabase.url}/rest/v1", headers=headers), user_id)


def sign_up(supabase: SupabaseServer) -> Caller:
    """Create a user through the public sign-up and return them, signed in."""
    session = new_account(supabase)
    return caller_with(supabase, session["access_token"], user_id=session["user"]["id"])
