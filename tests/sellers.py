"""The sellers of the tests: real users who speak to the running app over HTTP, as their programs would."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from flask import Flask

from app.factory import create_app
from config import Settings
from local.processes import wait_until
from local.stack import Stack
from local.supabase import SupabaseServer
from tests.clients import client, new_account, new_title

STATS: Final = "/products/stats/asin-status"
CACHE_STATUS: Final = "/products/stats/cache-status"


@dataclass(frozen=True, slots=True)
class Seller:
    """One user of the app.

    Attributes:
        id: the user id, canonical text.
        email: what they sign in with; the password is `PASSWORD`.
        token: their access token.
        http: speaks to the app, token included.

    """

    id: str
    email: str
    token: str = field(repr=False)
    http: httpx.Client = field(repr=False)

    @property
    def key(self) -> str:
        """The cache entry of their numbers."""
        return f"asin_stats:{self.id}"

    def creates(self, **fields: object) -> dict[str, Any]:
        """Create a product and its deal (or update the deal that is there) and return the deal.

        Without a title it gets one of its own: the same title would be the same product.
        """
        answer = self.http.post("/products", json={"title": new_title(), **fields})
        assert answer.status_code in {200, 201}, answer.text
        deal: dict[str, Any] = answer.json()
        return deal

    def reads_stats(self, **headers: str) -> httpx.Response:
        """Ask for the five numbers."""
        return self.http.get(STATS, headers=headers)

    def stats(self) -> dict[str, int]:
        """Return the five numbers."""
        answer = self.reads_stats()
        assert answer.status_code == 200, answer.text
        numbers: dict[str, int] = answer.json()
        return numbers

    def lists(self, **query: str | int) -> list[dict[str, Any]]:
        """Return the deals of one page, at most 200 unless `limit` says otherwise."""
        answer = self.http.get("/products", params={"limit": 200, **query})
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def deletes(self, deal_id: str, *, hard: bool = False) -> httpx.Response:
        """Delete one deal."""
        return self.http.delete(f"/products/deal/{deal_id}", params={"hard": True} if hard else {})

    def bulk(self, action: str, *deal_ids: str, **fields: str) -> httpx.Response:
        """Apply one action to many deals."""
        return self.http.post("/products/bulk-action", json={"action": action, "deal_ids": deal_ids, **fields})

    def imports(self, content: str | bytes, **query: bool) -> list[dict[str, Any]]:
        """Import a CSV file and return what the app says of it, line by line."""
        answer = self.http.post("/products/import", content=content, headers={"Content-Type": "text/csv"}, params=query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.text.splitlines()]

    def exports(self, **query: str | bool) -> bytes:
        """Return the list as a CSV file."""
        answer = self.http.get("/products/export", params=query)
        assert answer.status_code == 200, answer.text
        return answer.content

    def cache_status(self) -> dict[str, Any]:
        """Return what the app says about the cache."""
        answer = self.http.get(CACHE_STATUS)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def sees(self) -> tuple[dict[str, int], list[dict[str, Any]]]:
        """Return everything the app shows of their data: the numbers and the list."""
        return self.stats(), self.lists()


@contextmanager
def new_seller(supabase: SupabaseServer, app_url: str) -> Iterator[Seller]:
    """Sign a new user up at `supabase` and let them use the app at `app_url` inside the block."""
    session = new_account(supabase)
    user, token = session["user"], session["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    # A new connection for every request, so that all workers get some.
    limits = httpx.Limits(max_keepalive_connections=0)
    with client(app_url, headers=headers, limits=limits) as http:
        yield Seller(user["id"], user["email"], token, http)


def make_operator(supabase: SupabaseServer, seller: Seller) -> None:
    """Give `seller` the role of an operator, as an administrator would."""
    supabase.sql('update auth.users set raw_app_meta_data = \'{"role": "operator"}\' where id = $1', seller.id)


def app_environment(stack: Stack, **changes: str) -> dict[str, str]:
    """Return the environment of an app that stands on `stack`, changed as asked.

    What could come from a developer's own `.env` is named too, so that it does not colour the tests.
    """
    return {
        "APP_ENV": "development",
        "CACHE_TTL": "10",
        "REDIS_TIMEOUT": "2",
        "REDIS_READ_TIMEOUT": "2",  # this machine may be busier than one that serves sellers
        "SUPABASE_TIMEOUT": "8",
        "SUPABASE_DOWN_AFTER": "10",  # and the embedded Supabase answers one call at a time
        "SUPABASE_JWT_ISSUER": "",
        "SUPABASE_URL": stack.supabase.url,
        "SUPABASE_KEY": stack.supabase.publishable_key,
        "SUPABASE_JWT_SECRET": stack.supabase.jwt_secret,
        "REDIS_URL": stack.redis.url,
        "RATE_LIMITS": "off",  # tests hammer; those of the limits switch them on
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": "json",
        **changes,
    }


def all_workers_serve(log: Path, *, workers: int) -> bool:
    """Wait until each worker of the app that logs to `log` has met its Redis; say whether that happened.

    A worker believes no entry that is older than its own first sight of the server.
    """
    return wait_until(lambda: log.read_text().count("Redis connected successfully") >= workers, seconds=30)


@contextmanager
def running_app(settings: Settings) -> Iterator[Flask]:
    """Let an app in this process live inside the block, and close its connections."""
    app = create_app(settings)
    try:
        yield app
    finally:
        app.extensions["database"].close()
