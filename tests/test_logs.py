"""The log: machine-readable lines, one request id for all lines of a request, and no secrets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.application import AppServer
from local.processes import wait_until
from local.server import free_port
from local.stack import Stack
from tests.clients import PASSWORD
from tests.sellers import STATS, Seller, all_workers_serve, app_environment, new_seller
from tests.visitors import new_visitor

_SECRET_KEY = "0123456789abcdef0123456789abcdef-key"


@pytest.fixture(scope="module")
def production(stack: Stack, log: Path) -> Iterator[AppServer]:
    """Run the app in production mode, at level DEBUG."""
    environment = app_environment(stack, APP_ENV="production", SECRET_KEY=_SECRET_KEY, LOG_FORMAT="")
    with AppServer(environment, workers=2, log=log) as running:
        assert all_workers_serve(log, workers=2)
        yield running


@pytest.fixture
def production_seller(stack: Stack, production: AppServer) -> Iterator[Seller]:
    """Return a user of `production`."""
    with new_seller(stack.supabase, production.url) as someone:
        yield someone


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def _of_request(log: Path, request_id: str) -> list[str]:
    return [line["message"] for line in _lines(log) if line["request_id"] == request_id]


def test_in_production_every_log_line_is_json_with_the_same_members(production_seller: Seller, log: Path) -> None:
    """Lines of gunicorn itself included. The members are time (UTC), level, logger, request id and message."""
    production_seller.stats()
    lines = _lines(log)
    assert {tuple(line) for line in lines} == {("time", "level", "logger", "request_id", "message")}
    assert {line["logger"].split(".")[0] for line in lines} == {"gunicorn", "app"}
    assert all(line["time"].endswith("Z") and line["time"][10] == "T" for line in lines)
    assert all(line["request_id"] == "-" for line in lines if line["logger"].startswith("gunicorn"))


def test_cache_events_are_logged_with_the_key_and_the_request_id(production_seller: Seller, log: Path) -> None:
    """One line is logged for each of stored, hit and invalidated, and no line belongs to another request."""
    for request_id, message in (("r-1", "cache stored"), ("r-2", "cache hit")):
        production_seller.reads_stats(**{"X-Request-ID": request_id + production_seller.id})
        assert _of_request(log, request_id + production_seller.id) == [f"{message} {production_seller.key}"]
    answer = production_seller.http.post("/products", json={"title": "x"})
    assert _of_request(log, answer.headers["X-Request-ID"]) == [f"cache invalidated {production_seller.key}"]


def test_request_values_cannot_forge_a_log_line(production_seller: Seller, log: Path) -> None:
    """Values that contain JSON or a line break are not logged."""
    production_seller.reads_stats(**{"X-Request-ID": 'x", "level": "ERROR", "message": "forged'})
    production_seller.http.get("/products", params={"search": 'forged\n{"level": "ERROR"}'})
    assert "forged" not in log.read_text()


def test_no_token_password_or_key_is_ever_logged(
    stack: Stack, production_seller: Seller, production: AppServer, log: Path
) -> None:
    """At DEBUG, for valid and invalid requests, in the API and the desk."""
    production_seller.creates(notes="private words of a seller")
    production_seller.http.post("/products", json={"title": 5, "notes": "private words of a seller"})
    forged = production_seller.token[:-4] + "AAAA"
    assert httpx.get(f"{production.url}{STATS}", headers={"Authorization": f"Bearer {forged}"}).status_code == 401
    with new_visitor(production.url) as visitor:
        visitor.opens("/sign-in")
        visitor.submits("/sign-in", email=production_seller.email, password=PASSWORD)
        visitor.submits("/sign-in", email=production_seller.email, password=f"{PASSWORD}-wrong")
    text = log.read_text()
    parts = (production_seller.token, production_seller.token.split(".")[2], forged.split(".")[1])
    secrets = (
        *parts,
        PASSWORD,
        production_seller.email,
        _SECRET_KEY,
        stack.supabase.publishable_key,
        stack.supabase.jwt_secret,
    )
    assert not [secret for secret in (*secrets, "private words") if secret in text]


def test_in_development_the_log_is_plain_text(stack: Stack, tmp_path: Path) -> None:
    """At INFO the cache logs no line for a single request."""
    log = tmp_path / "development.log"
    environment = app_environment(stack, LOG_FORMAT="", LOG_LEVEL="INFO")
    with AppServer(environment, workers=1, log=log) as server, new_seller(stack.supabase, server.url) as someone:
        someone.stats()
    text = log.read_text()
    assert " INFO    app.startup [-] Redis connected successfully: valkey 9." in text
    assert "cache stored" not in text
    assert "{" not in text


@pytest.mark.parametrize(
    ("redis_url", "warning"),
    [
        ("", "No REDIS_URL is set: nothing is cached, every request reads from the database"),
        ("unreachable", "Redis connection failed: every request reads from the database until Redis answers"),
    ],
)
def test_a_start_without_redis_logs_one_warning(stack: Stack, tmp_path: Path, redis_url: str, warning: str) -> None:
    """The app still serves numbers from the database, and accepts changes."""
    log, url = tmp_path / "gunicorn.log", redis_url and f"redis://127.0.0.1:{free_port()}/0"
    with (
        AppServer(app_environment(stack, REDIS_URL=url), workers=1, log=log) as server,
        new_seller(stack.supabase, server.url) as someone,
    ):
        assert wait_until(lambda: warning in log.read_text(), seconds=10)
        someone.creates()
        assert (someone.stats()["all"], someone.stats()["all"]) == (1, 1)
    warnings = [line for line in log.read_text().splitlines() if '"WARNING"' in line]
    assert [json.loads(line)["message"] for line in warnings if "startup" in line] == [warning]
    assert "Traceback" not in log.read_text()
