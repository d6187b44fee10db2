"""The Prometheus endpoint: counts of all workers, and nothing that is nobody's business."""

import re

from local.processes import wait_until
from tests.sellers import Seller


def _events(seller: Seller) -> dict[str, float]:
    text = seller.http.get("/metrics", headers={"Authorization": ""}).text
    found = re.findall(r'^asin_desk_cache_events_total\{event="([a-z-]+)"\} ([0-9.e+]+)$', text, re.MULTILINE)
    return {name: float(number) for name, number in found}


def test_a_hit_is_counted_whichever_worker_answers(seller: Seller) -> None:
    """The workers share their counts, so two scrapes that reach two workers agree."""
    seller.reads_stats()
    before = _events(seller)
    for _ in range(10):
        seller.reads_stats()

    assert wait_until(lambda: _events(seller)["hit"] == before["hit"] + 10, seconds=5)
    assert len({_events(seller)["hit"] for _ in range(10)}) == 1


def test_metrics_are_public_and_anonymous(seller: Seller) -> None:
    """A scraper has no account; it learns no user, key or address."""
    seller.reads_stats()

    response = seller.http.get("/metrics", headers={"Authorization": ""})

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain")
    assert "asin_desk_breaker_open 0.0" in response.text
    assert 'asin_desk_redis_errors_total{kind="timeout"}' in response.text
    assert "asin_stats:" not in response.text
    assert "127.0.0.1" not in response.text
