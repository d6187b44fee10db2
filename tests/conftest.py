"""The real parts every test runs against."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis

from config import Settings
from local.application import AppServer
from local.stack import Stack
from tests.callers import Caller, caller_with, sign_up
from tests.postgres import PostgresServer
from tests.sellers import Seller, all_workers_serve, app_environment, make_operator, new_seller, running_app


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One Valkey and one migrated Supabase for the whole session, on free ports, with nothing in them."""
    # Nearly every test signs somebody up: passwords are hashed as quickly as bcrypt can.
    with Stack(tmp_path_factory.mktemp("stack"), bcrypt_cost=4) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One native PostgreSQL for the session, migrated, with nobody in it."""
    with PostgresServer() as running:
        running.migrate()
        yield running


@pytest.fixture
def alice(stack: Stack) -> Iterator[Caller]:
    """Return a new user of the database, signed in."""
    caller = sign_up(stack.supabase)
    with caller.http:
        yield caller


@pytest.fixture
def bob(stack: Stack) -> Iterator[Caller]:
    """Return another new user of the database, signed in."""
    caller = sign_up(stack.supabase)
    with caller.http:
        yield caller


@pytest.fixture
def anonymous(stack: Stack) -> Iterator[Caller]:
    """Return a caller of the database who has the publishable key and nothing else."""
    caller = caller_with(stack.supabase, "")
    with caller.http:
        yield caller


@pytest.fixture(scope="session")
def settings(stack: Stack) -> Settings:
    """Return the settings of an app that stands on the stack."""
    values = {name.lower(): value for name, value in app_environment(stack).items()}
    return Settings.model_validate(values)


@pytest.fixture(scope="session")
def app(settings: Settings) -> Iterator[Flask]:
    """Return the app in this process, the real servers behind it."""
    with running_app(settings) as running:
        yield running


@pytest.fixture(scope="session")
def server_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file `server` logs to: JSON lines, at DEBUG."""
    return tmp_path_factory.mktemp("gunicorn") / "gunicorn.log"


@pytest.fixture(scope="session")
def server(stack: Stack, server_log: Path) -> Iterator[AppServer]:
    """Run the app under gunicorn, with two workers."""
    with AppServer(app_environment(stack), workers=2, log=server_log) as running:
        assert all_workers_serve(server_log, workers=2)
        yield running


@pytest.fixture(scope="session")
def redis(stack: Stack) -> Iterator[Redis]:
    """Return a plain client of the stack's Valkey, to see what is really in it."""
    with Redis.from_url(stack.redis.url) as client:
        yield client


@pytest.fixture
def seller(stack: Stack, server: AppServer) -> Iterator[Seller]:
    """Return a new user of the app under gunicorn."""
    with new_seller(stack.supabase, server.url) as someone:
        yield someone


@pytest.fixture(scope="module")
def seller_of_module(stack: Stack, server: AppServer) -> Iterator[Seller]:
    """Return a user whom all tests of a module share, for tests that must not change anything."""
    with new_seller(stack.supabase, server.url) as someone:
        yield someone


@pytest.fixture
def other_seller(stack: Stack, server: AppServer) -> Iterator[Seller]:
    """Return another new user."""
    with new_seller(stack.supabase, server.url) as someone:
        yield someone


@pytest.fixture
def operator(stack: Stack, server: AppServer) -> Iterator[Seller]:
    """Return a new user who operates this installation."""
    with new_seller(stack.supabase, server.url) as someone:
        make_operator(stack.supabase, someone)
        yield someone
