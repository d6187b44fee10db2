"""Fixtures for all tests: the real servers, the app, and users."""

from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from flask import Flask
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser, Page
from redis import Redis

from config import Settings
from local.application import AppServer
from local.stack import Stack
from local.valkey import ValkeyServer
from tests.browser import chromium, clean_page, signs_in
from tests.callers import Caller, caller_with, sign_up
from tests.clients import client
from tests.postgres import PostgresServer
from tests.proxy import SupabaseProxy
from tests.sellers import Seller, all_workers_serve, app_environment, make_operator, new_seller, running_app
from tests.visitors import Visitor, new_visitor

# On a busy machine, an example or its generation may take any time.
hypothesis_settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("tests")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run one empty Valkey and one empty, migrated Supabase for the session, on free ports."""
    # Nearly every test signs up a user, so use bcrypt's lowest cost.
    with Stack(tmp_path_factory.mktemp("stack"), bcrypt_cost=4) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run one native PostgreSQL for the session, migrated and without users."""
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
    """Return a caller of the database with the publishable key and no token."""
    caller = caller_with(stack.supabase, "")
    with caller.http:
        yield caller


@pytest.fixture
def service(stack: Stack) -> Iterator[Caller]:
    """Return a caller of the database with the service_role key, as server-side jobs have."""
    token = jwt.encode({"role": "service_role", "aud": "authenticated"}, stack.supabase.jwt_secret, "HS256")
    caller = caller_with(stack.supabase, token)
    with caller.http:
        yield caller


@pytest.fixture(scope="session")
def settings(stack: Stack) -> Settings:
    """Return the settings of an app that uses the stack."""
    values = {name.lower(): value for name, value in app_environment(stack).items()}
    return Settings.model_validate(values)


@pytest.fixture(scope="session")
def app(settings: Settings) -> Iterator[Flask]:
    """Return the app in this process, connected to the real servers."""
    with running_app(settings) as running:
        yield running


@pytest.fixture(scope="module")
def limited_app(settings: Settings) -> Iterator[Flask]:
    """Return the app in this process with rate limits."""
    with running_app(settings.model_copy(update={"rate_limits": "on"})) as running:
        yield running


@pytest.fixture(scope="session")
def server_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the log file of `server`: JSON lines, at DEBUG."""
    return tmp_path_factory.mktemp("gunicorn") / "gunicorn.log"


@pytest.fixture(scope="session")
def server(stack: Stack, server_log: Path) -> Iterator[AppServer]:
    """Run the app under gunicorn with two workers."""
    with AppServer(app_environment(stack), workers=2, log=server_log) as running:
        assert all_workers_serve(server_log, workers=2)
        yield running


@pytest.fixture(scope="session")
def redis(stack: Stack) -> Iterator[Redis]:
    """Return a plain client of the stack's Valkey, to inspect its contents."""
    with Redis.from_url(stack.redis.url) as client:
        yield client


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a log file for the app that a module starts for its own tests."""
    return tmp_path_factory.mktemp("app") / "gunicorn.log"


@pytest.fixture(scope="module")
def proxy(stack: Stack) -> Iterator[SupabaseProxy]:
    """Run a proxy in front of Supabase, to simulate faults."""
    with SupabaseProxy(stack.supabase.url) as running:
        yield running


@pytest.fixture(scope="module")
def proxied_app(stack: Stack, proxy: SupabaseProxy, log: Path) -> Iterator[AppServer]:
    """Run the app with one worker behind the proxy."""
    with AppServer(app_environment(stack, SUPABASE_URL=proxy.url), workers=1, log=log) as running:
        yield running


@pytest.fixture
def importer(stack: Stack, proxy: SupabaseProxy, proxied_app: AppServer) -> Iterator[Seller]:
    """Return a new user of `proxied_app`, which starts without a fault."""
    proxy.fault = None
    with new_seller(stack.supabase, proxied_app.url) as someone:
        yield someone


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """Run a Valkey that the test may pause and kill."""
    with ValkeyServer(tmp_path / "valkey") as running:
        yield running


@pytest.fixture(scope="module")
def module_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Run a Valkey for the tests of a module, which may pause and kill it, and must restore it."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def seller(stack: Stack, server: AppServer) -> Iterator[Seller]:
    """Return a new user of the app under gunicorn."""
    with new_seller(stack.supabase, server.url) as someone:
        yield someone


@pytest.fixture(scope="module")
def seller_of_module(stack: Stack, server: AppServer) -> Iterator[Seller]:
    """Return a user shared by all tests of a module, for tests that change nothing."""
    with new_seller(stack.supabase, server.url) as someone:
        yield someone


@pytest.fixture
def other_seller(stack: Stack, server: AppServer) -> Iterator[Seller]:
    """Return another new user."""
    with new_seller(stack.supabase, server.url) as someone:
        yield someone


@pytest.fixture
def operator(stack: Stack, server: AppServer) -> Iterator[Seller]:
    """Return a new user with the operator role."""
    with new_seller(stack.supabase, server.url) as someone:
        make_operator(stack.supabase, someone)
        yield someone


@pytest.fixture
def visitor(server: AppServer, seller: Seller) -> Iterator[Visitor]:
    """Return `seller`, signed in to the desk."""
    with new_visitor(server.url) as someone:
        someone.signs_in(seller)
        yield someone


@pytest.fixture
def watcher(server: AppServer, operator: Seller) -> Iterator[Visitor]:
    """Return an operator, signed in to the desk."""
    with new_visitor(server.url) as someone:
        someone.signs_in(operator)
        yield someone


@pytest.fixture
def stranger(server: AppServer) -> Iterator[Visitor]:
    """Return a visitor who is not signed in."""
    with client(server.url) as http:
        yield Visitor(http)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run one Chromium for the tests of a module."""
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: AppServer, seller: Seller) -> Iterator[Page]:
    """Return a page of `seller`. Any console message, page error or foreign request fails the test."""
    with clean_page(browser, server.url) as fresh:
        signs_in(fresh, seller)
        yield fresh


@pytest.fixture
def refused_page(browser: Browser, server: AppServer, seller: Seller) -> Iterator[Page]:
    """Return a page of `seller` whose console may have messages: a browser logs each answer of 400 and above."""
    with browser.new_context(base_url=server.url) as context:
        fresh = context.new_page()
        signs_in(fresh, seller)
        yield fresh
