"""The Prometheus endpoint: totals of all workers, and no private data."""

import base64
import re

import httpx
import pytest
from pydantic import SecretStr

from config import Settings
from local.application import AppServer
from local.processes import wait_until
from tests.problems import problem
from tests.sellers import Seller, running_app


def _events(operator: Seller) -> dict[str, float]:
    text = operator.http.get("/metrics").text
    found = re.findall(r'^asin_desk_cache_events_total\{event="([a-z-]+)"\} ([0-9.e+]+)$', text, re.MULTILINE)
    return {name: float(number) for name, number in found}


def test_a_hit_is_counted_for_every_worker(operator: Seller) -> None:
    """The workers share their counters, so two scrapes that reach different workers agree."""
    operator.reads_stats()
    before = _events(operator)
    for _ in range(10):
        operator.reads_stats()

    assert wait_until(lambda: _events(operator)["hit"] == before["hit"] + 10, seconds=30)
    assert len({_events(operator)["hit"] for _ in range(10)}) == 1


def test_metrics_are_for_operators(server: AppServer, seller: Seller, operator: Seller) -> None:
    """401 without a valid identity and 403 for sellers. Operators see no user, key or address either."""
    for headers in ({}, {"Authorization": "Bearer guess"}, {"Authorization": "None"}):
        problem(httpx.get(f"{server.url}/metrics", headers=headers), 401)
    assert "asin_desk" not in problem(seller.http.get("/metrics"), 403)
    operator.reads_stats()

    response = operator.http.get("/metrics")

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "asin_desk_breaker_open 0.0" in response.text
    assert "asin_desk_database_down 0.0" in response.text
    assert 'asin_desk_redis_errors_total{kind="timeout"}' in response.text
    assert "asin_stats:" not in response.text
    assert "127.0.0.1" not in response.text


_TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {_TOKEN}", 200),
        (f"Bearer {_TOKEN}x", 401),
        (f"Bearer {_TOKEN[:-1]}", 401),
        (_TOKEN, 401),
        ("Basic " + base64.b64encode(f"prometheus:{_TOKEN}".encode()).decode(), 401),
        ("Bearer \xe9", 401),
        (None, 401),
    ],
)
def test_a_scraper_needs_only_the_metrics_token(settings: Settings, authorization: str | None, status: int) -> None:
    """Only the complete token is accepted."""
    with running_app(settings.model_copy(update={"metrics_token": SecretStr(_TOKEN)})) as app:
        headers = {"Authorization": authorization} if authorization else {}
        answer = app.test_client().get("/metrics", headers=headers)
    assert answer.status_code == status
    assert ("asin_desk_cache_events_total" in answer.text) is (status == 200)


def test_the_metrics_token_gives_access_to_metrics_only(settings: Settings) -> None:
    """The metrics token is not an access token."""
    with running_app(settings.model_copy(update={"metrics_token": SecretStr(_TOKEN)})) as app:
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        answers = [app.test_client().get(path, headers=headers) for path in ("/diagnostics/redis", "/products")]
        ready = app.test_client().get("/readyz", headers=headers).get_json()
    assert [answer.status_code for answer in answers] == [401, 401]
    assert ready == {"status": "ready"}
