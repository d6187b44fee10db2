"""Sellers for the tests: real users who send HTTP requests to the running app."""

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
from tests.openapi.contract import check_lines

STATS: Final = "/products/stats/asin-status"
CACHE_STATUS: Final = "/products/stats/cache-status"


@dataclass(frozen=True, slots=True)
class Seller:
    """One user of the app.

    Attributes:
        id: the user id in canonical text form.
        email: their e-mail address; the password is `PASSWORD`.
        token: their access token.
        http: sends requests to the app with the token.

    """

    id: str
    email: str
    token: str = field(repr=False)
    http: httpx.Client = field(repr=False)

    @property
    def key(self) -> str:
        """The Redis key of their stats."""
        return f"asin_stats:{self.id}"

    def creates(self, **fields: object) -> dict[str, Any]:
        """Create a product and its deal, or update the existing deal, and return the deal.

        The default title is unique, because products with the same title would be the same product.
        """
        answer = self.http.post("/products", json={"title": new_title(), **fields})
        assert answer.status_code in {200, 201}, answer.text
        deal: dict[str, Any] = answer.json()
        return deal

    def reads_stats(self, **headers: str) -> httpx.Response:
        """Request the stats."""
        return self.http.get(STATS, headers=headers)

    def stats(self) -> dict[str, int]:
        """Return the five numbers of the stats."""
        answer = self.reads_stats()
        assert answer.status_code == 200, answer.text
        numbers: dict[str, int] = answer.json()
        return numbers

    def lists(self, **query: str | int) -> list[dict[str, Any]]:
        """Return the deals of one page; the default limit is 200."""
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
        """Import a CSV file and return the lines of the answer."""
        answer = self.http.post("/products/import", content=content, headers={"Content-Type": "text/csv"}, params=query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        check_lines(answer)
        return [json.loads(line) for line in answer.text.splitlines()]

    def exports(self, **query: str | bool) -> bytes:
        """Return the list as a CSV file."""
        answer = self.http.get("/products/export", params=query)
        assert answer.status_code == 200, answer.text
        return answer.content

    def cache_status(self) -> dict[str, Any]:
        """Return the document of the cache-status endpoint."""
        answer = self.http.get(CACHE_STATUS)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def sees(self) -> tuple[dict[str, int], list[dict[str, Any]]]:
        """Return the stats and the list, to compare before and after."""
        return self.stats(), self.lists()


@contextmanager
def new_seller(supabase: SupabaseServer, app_url: str) -> Iterator[Seller]:
    """Sign up a new user at `supabase` and yield a seller who uses the app at `app_url`."""
    session = new_account(supabase)
    user, token = session["user"], session["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    # A new connection for each request, so that every worker gets requests.
    limits = httpx.Limits(max_keepalive_connections=0)
    with client(app_url, headers=headers, limits=limits) as http:
        yield Seller(user["id"], user["email"], token, http)


def make_operator(supabase: SupabaseServer, seller: Seller) -> None:
    """Give `seller` the role of an operator, as an administrator would."""
    supabase.sql('update auth.users set raw_app_meta_data = \'{"role": "operator"}\' where id = $1', seller.id)


def app_environment(stack: Stack, **changes: str) -> dict[str, str]:
    """Return the environment of an app that uses `stack`, with these changes.

    It also sets the variables that a developer's `.env` may contain, so that the file cannot affect the tests.
    """
    return {
        "APP_ENV": "development",
        "CACHE_TTL": "10",
        "REDIS_TIMEOUT": "2",
        "REDIS_READ_TIMEOUT": "2",  # a test machine may be slower than a production server
        "SUPABASE_TIMEOUT": "8",
        "SUPABASE_DOWN_AFTER": "10",  # the embedded Supabase answers one call at a time
        "SUPABASE_JWT_ISSUER": "",
        "SUPABASE_URL": stack.supabase.url,
        "SUPABASE_KEY": stack.supabase.publishable_key,
        "SUPABASE_JWT_SECRET": stack.supabase.jwt_secret,
        "REDIS_URL": stack.redis.url,
        "RATE_LIMITS": "off",  # tests send many requests; the tests of the limits turn them on
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": "json",
        **changes,
    }


def all_workers_serve(log: Path, *, workers: int) -> bool:
    """Wait until each worker of the app that logs to `log` has connected to Redis. Returns False on a timeout.

    A worker discards entries that are older than its own first connection to the server.
    """
    return wait_until(lambda: log.read_text().count("Redis connected successfully") >= workers, seconds=30)


@contextmanager
def running_app(settings: Settings) -> Iterator[Flask]:
    """Create an app in this process, and close its connections at the end of the block."""
    app = create_app(settings)
    try:
        yield app
    finally:
        app.extensions["database"].close()
