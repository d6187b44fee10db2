"""The environment of the comparison: one Valkey, one Supabase behind a delaying proxy, users, and common settings."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

import jwt
from redis import Redis

from benchmarks.cores import LOAD, pinned
from benchmarks.lineup import Contender, redis_database
from benchmarks.remote import RemoteDatabase
from benchmarks.serving import ContenderServer, write_gunicorn_settings
from local.stack import Stack
from local.supabase import SupabaseServer

__all__ = [
    "BREAKDOWN",
    "DATABASE_SECONDS",
    "STATS",
    "THREADS",
    "BenchmarkEnvironment",
    "User",
    "environment_on",
    "new_environment",
]

STATS: Final = "/products/stats/asin-status"
DATABASE_SECONDS: Final = 0.076
"""Seconds added to each database call: the time that the original's database took for the breakdown."""

BREAKDOWN: Final = {"all": 100, "asin_found": 63, "needs_selection": 10, "needs_asin": 17, "manual_entry": 10}
"""The breakdown of every new user."""

THREADS: Final = 8
_TOKEN_SECONDS: Final = 6 * 3600
# A number that is followed by 10 minus each of its digits has a correct check digit.
_NEW_USERS: Final = (
    "insert into auth.users (id, email) select id, id::text || '@example.com' from unnest($1::uuid[]) id",
    """insert into public.products (user_id, title, asin, multiple_asins, upc)
       select id, 'Product ' || n, case when n <= 63 then 'B' || lpad(n::text, 9, '0') end, n between 64 and 73,
              case when n between 74 and 90 then digits || translate(digits, '0123456789', '0987654321') end
       from unnest($1::uuid[]) id, generate_series(1, 100) n, lpad(n::text, 6, '0') digits""",
    "insert into public.deals (user_id, product_id) select user_id, id from public.products where user_id = any($1)",
)


@dataclass(frozen=True, slots=True)
class User:
    """A user with an account, an access token and some products."""

    id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BenchmarkEnvironment:
    """The running servers, with methods that create users and contender servers.

    Attributes:
        stack: Valkey and Supabase.
        database: the proxy that the contenders use as Supabase.
        redis: a client of this Valkey.
        directory: the folder for logs.

    """

    stack: Stack
    database: RemoteDatabase
    redis: Redis
    directory: Path

    def users(self, number: int) -> list[User]:
        """Create users, each with the products of `BREAKDOWN`."""
        ids = [str(uuid4()) for _ in range(number)]
        for statement in _NEW_USERS:
            self.stack.supabase.sql(statement, ids)
        return [self._user(each) for each in ids]

    def server(
        self, contender: Contender, *, workers: int = 1, threads: int = THREADS, ttl: int = 10
    ) -> ContenderServer:
        """Describe a server for `contender`; its cache entries expire after `ttl` seconds."""
        return ContenderServer(
            contender,
            self._environment(contender, threads=threads, ttl=ttl),
            gunicorn_settings=self.directory / "contenders.conf.py",
            workers=workers,
            threads=threads,
            log=self.directory / f"{contender.name.replace(' ', '-')}.log",
        )

    def _user(self, user_id: str) -> User:
        now = int(time.time())
        claims = {
            "sub": user_id,
            "aud": "authenticated",
            "role": "authenticated",
            "email": f"{user_id}@example.com",
            "session_id": str(uuid4()),
            "iat": now,
            "exp": now + _TOKEN_SECONDS,
        }
        return User(user_id, jwt.encode(claims, self.stack.supabase.jwt_secret, algorithm="HS256"))

    def redis_url(self, contender: Contender) -> str:
        """Return the URL of the contender's own database in Valkey."""
        return f"{self.stack.redis.url.rpartition('/')[0]}/{redis_database(contender)}"

    def _environment(self, contender: Contender, *, threads: int, ttl: int) -> dict[str, str]:
        return {
            **_environment(self.stack.supabase, self.database.url(contender.name), self.redis_url(contender)),
            "REDIS_MAX_CONNECTIONS": str(max(10, threads + 2)),
            "CACHE_TTL": str(ttl),
        }


def _environment(supabase: SupabaseServer, supabase_url: str, redis_url: str) -> dict[str, str]:
    """Return the settings of a production deployment on these servers."""
    return {
        "APP_ENV": "production",
        "SECRET_KEY": secrets.token_hex(32),
        "SUPABASE_URL": supabase_url,
        "SUPABASE_KEY": supabase.publishable_key,
        "SUPABASE_JWT_SECRET": supabase.jwt_secret,
        "SUPABASE_JWT_ISSUER": "",
        "REDIS_URL": redis_url,
        "RATE_LIMITS": "off",  # one benchmark user sends more changes than the limits allow
        "PATH": os.environ.get("PATH", os.defpath),
    }


@contextmanager
def new_environment(directory: Path) -> Iterator[BenchmarkEnvironment]:
    """Run Valkey, Supabase and the proxy inside the block, on the core that the contenders do not use."""
    with pinned(LOAD), Stack(directory) as stack, environment_on(stack, directory) as complete:
        yield complete


@contextmanager
def environment_on(stack: Stack, directory: Path) -> Iterator[BenchmarkEnvironment]:
    """Run the proxy inside the block, in front of a stack that is already running; logs go to `directory`."""
    log = directory / "remote.log"
    with (
        RemoteDatabase(stack.supabase.port, delay=DATABASE_SECONDS, log=log) as database,
        Redis.from_url(stack.redis.url) as redis,
    ):
        environment = _environment(stack.supabase, database.url("nobody"), stack.redis.url)
        write_gunicorn_settings(environment, directory / "contenders.conf.py")
        yield BenchmarkEnvironment(stack, database, redis, directory)
