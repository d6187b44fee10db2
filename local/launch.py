"""Start the parts of the stack in order and describe the running parts."""

import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from local import ROOT
from local.announcement import Pids, RunningStack, announce, remove_announcement, say, terminal_text
from local.application import AppServer
from local.demo import Accounts, create_demo
from local.files import read_or_create
from local.server import LOOPBACK, Server, ServerError, port_is_free
from local.supabase import SupabaseServer
from local.valkey import ValkeyServer

__all__ = ["ExternalServices", "Launched", "Options", "launch"]

_PORTS_TRIED: Final = 100

AnyServer = TypeVar("AnyServer", bound=Server)


class ExternalServices(BaseSettings):
    """The servers that the developer configured in the environment or `.env`.

    They are used instead of starting our own. An empty variable counts as not set.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_file=ROOT / ".env", env_ignore_empty=True)

    redis_url: str | None = Field(default=None, repr=False)
    supabase_url: str | None = None
    supabase_key: str | None = Field(default=None, repr=False)
    supabase_jwt_secret: str | None = Field(default=None, repr=False)
    secret_key: str | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _supabase_settings_are_complete(self) -> "ExternalServices":
        if (self.supabase_url is None) != (self.supabase_key is None):
            raise ValueError("SUPABASE_URL and SUPABASE_KEY belong together: set both, or neither")
        return self


@dataclass(frozen=True)
class Options:
    """The options of one run.

    Attributes:
        directory: the folder for data, logs, secrets and stack.json. Only one stack can use it at a time.
        port: the app's port. If it is taken, the next free port is used.
        with_app: whether to start the app too; otherwise only the servers it needs are started.
        follow_parent: whether to stop when the process that started the stack ends.

    """

    directory: Path
    port: int
    with_app: bool
    follow_parent: bool


@dataclass(frozen=True)
class Launched:
    """The running parts.

    Attributes:
        redis: the Redis started here, which the app can run without; None if the developer configured another one.
        required: the other servers started here. The stack stops when one of them ends.
        announce: writes stack.json and stack.env with the current process ids.

    """

    redis: ValkeyServer | None
    required: Sequence[Server]
    announce: Callable[[], None]


@dataclass(frozen=True)
class _Backends:
    """The servers started here; None where the developer configured another one."""

    redis: ValkeyServer | None
    supabase: SupabaseServer | None
    accounts: Accounts | None


def launch(options: Options, external: ExternalServices, cleanup: ExitStack) -> Launched:
    """Start the parts that are not in `external`, announce them, and return the running parts.

    Closing `cleanup` stops the servers and removes the announcement.

    Raises:
        ServerError: a part did not start.

    """
    cleanup.callback(remove_announcement, options.directory)
    port = _first_free_port(options.port) if options.with_app else options.port
    backends = _start_backends(options.directory, external, cleanup, site_url=f"http://{LOOPBACK}:{port}")
    environment = _app_environment(options.directory, external, backends)
    app = None
    if options.with_app:
        app = _start(AppServer({**os.environ, **environment}, port=port), cleanup)

    def announce_current() -> None:
        announce(_describe(environment, backends, app), options.directory, environment)

    announce_current()
    say(terminal_text(_describe(environment, backends, app), options.directory))
    required = [server for server in (backends.supabase, app) if server]
    return Launched(backends.redis, required, announce_current)


def _start_backends(directory: Path, external: ExternalServices, cleanup: ExitStack, *, site_url: str) -> _Backends:
    redis = None if external.redis_url else _start(ValkeyServer(directory / "valkey"), cleanup)
    if external.supabase_url:
        return _Backends(redis, None, None)
    supabase = _start(SupabaseServer(directory / "supabase", site_url=site_url), cleanup)
    return _Backends(redis, supabase, create_demo(supabase, directory / "supabase" / "logins.json"))


def _start(server: AnyServer, cleanup: ExitStack) -> AnyServer:
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
    raise ServerError(f"no port from {wanted} to {wanted + _PORTS_TRIED - 1} is free; choose another one with PORT=")


def _app_environment(directory: Path, external: ExternalServices, backends: _Backends) -> dict[str, str]:
    """Return the app's settings as environment variables."""
    own = backends.supabase
    redis_url = backends.redis.url if backends.redis else external.redis_url
    secret_key = external.secret_key or read_or_create(directory / "secret_key", lambda: secrets.token_hex(32))
    return {
        "APP_ENV": "development",
        "SECRET_KEY": secret_key,
        "REDIS_URL": redis_url or "",
        "SUPABASE_URL": (own.url if own else external.supabase_url) or "",
        "SUPABASE_KEY": (own.publishable_key if own else external.supabase_key) or "",
        "SUPABASE_JWT_SECRET": (own.jwt_secret if own else external.supabase_jwt_secret) or "",
        # Supabase Lite's tokens have no issuer. For an external project, keep the variable unchanged.
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
