"""Start the parts of the stack in order and describe what runs."""

import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from local.announcement import Pids, RunningStack, announce, say, text_for_people, withdraw
from local.application import AppServer
from local.demo import Accounts, create_demo
from local.files import read_or_create
from local.given import Given
from local.server import Server, ServerError, port_is_free
from local.supabase import SupabaseServer
from local.valkey import ValkeyServer

__all__ = ["Launched", "Options", "launch"]

_PORTS_TRIED: Final = 100

AnyServer = TypeVar("AnyServer", bound=Server)


@dataclass(frozen=True)
class Options:
    """What to run.

    Attributes:
        directory: holds the data, logs, secrets and stack.json; one stack at a time.
        port: the app's; when it is taken the next free one is used.
        with_app: without, only the servers that the app needs are started.
        follow_parent: stop also when the process that started us ends.

    """

    directory: Path
    port: int
    with_app: bool
    follow_parent: bool


@dataclass(frozen=True)
class Launched:
    """What runs now.

    Attributes:
        redis: our own Redis, which the app can do without; None where the developer brought one along.
        indispensable: the other servers of ours.
        announce: writes stack.json and stack.env as things are now.

    """

    redis: ValkeyServer | None
    indispensable: Sequence[Server]
    announce: Callable[[], None]


@dataclass(frozen=True)
class _Backends:
    """Our own servers; None where the developer brought one along."""

    redis: ValkeyServer | None
    supabase: SupabaseServer | None
    accounts: Accounts | None


def launch(options: Options, given: Given, cleanup: ExitStack) -> Launched:
    """Start what was not `given`, announce it, and return what runs; `cleanup` ends the servers and the announcement.

    Raises:
        ServerError: a part did not start.

    """
    cleanup.callback(withdraw, options.directory)
    backends = _start_backends(options.directory, given, cleanup)
    environment = _app_environment(options.directory, given, backends)
    app = None
    if options.with_app:
        app = _started(AppServer({**os.environ, **environment}, port=_first_free_port(options.port)), cleanup)

    def announce_as_it_is() -> None:
        announce(_describe(environment, backends, app), options.directory, environment)

    announce_as_it_is()
    say(text_for_people(_describe(environment, backends, app), options.directory))
    indispensable = [server for server in (backends.supabase, app) if server]
    return Launched(backends.redis, indispensable, announce_as_it_is)


def _start_backends(directory: Path, given: Given, cleanup: ExitStack) -> _Backends:
    redis = None if given.redis_url else _started(ValkeyServer(directory / "valkey"), cleanup)
    if given.supabase_url:
        return _Backends(redis, None, None)
    supabase = _started(SupabaseServer(directory / "supabase"), cleanup)
    return _Backends(redis, supabase, create_demo(supabase, directory / "supabase" / "logins.json"))


def _started(server: AnyServer, cleanup: ExitStack) -> AnyServer:
    begin = time.monotonic()
    cleanup.enter_context(server)
    say(f"{server.name} is ready on port {server.port} ({time.monotonic() - begin:.1f} s)")
    return server


def _first_free_port(wanted: int) -> int:
    for port in range(wanted, wanted + _PORTS_TRIED):
        if port_is_free(port):
            if port != wanted:
                say(f"Port {wanted} is taken; using {port}.")
            return port
    raise ServerError(f"no port from {wanted} to {wanted + _PORTS_TRIED - 1} is free; choose with PORT=")


def _app_environment(directory: Path, given: Given, backends: _Backends) -> dict[str, str]:
    """Return the app's settings as environment variables."""
    own = backends.supabase
    redis_url = backends.redis.url if backends.redis else given.redis_url
    secret_key = given.secret_key or read_or_create(directory / "secret_key", lambda: secrets.token_hex(32))
    return {
        "APP_ENV": "development",
        "SECRET_KEY": secret_key,
        "REDIS_URL": redis_url or "",
        "SUPABASE_URL": (own.url if own else given.supabase_url) or "",
        "SUPABASE_KEY": (own.publishable_key if own else given.supabase_key) or "",
        "SUPABASE_JWT_SECRET": (own.jwt_secret if own else given.supabase_jwt_secret) or "",
        # Supabase Lite's tokens name no issuer; for a given project the variable is left as it is.
        **({"SUPABASE_JWT_ISSUER": ""} if own else {}),
    }


def _describe(environment: dict[str, str], backends: _Backends, app: AppServer | None) -> RunningStack:
    accounts = backends.accounts
    return RunningStack(
        app_url=app.url if app else None,
        redis_url=environment["REDIS_URL"],
        supabase_url=environment["SUPABASE_URL"],
        publishable_key=environment["SUPABASE_KEY"],
        jwt_secret=environment["SUPABASE_JWT_SECRET"] or None,
        demo=accounts.demo if accounts else None,
        operator=accounts.operator if accounts else None,
        pids=Pids(
            supervisor=os.getpid(),
            gunicorn=app.pid if app else None,
            redis=backends.redis.pid if backends.redis else None,
            supabase=backends.supabase.pid if backends.supabase else None,
        ),
    )
