"""Ordinary requests, and how long they take."""

import statistics
import time
from dataclasses import dataclass, field

from tests.sellers import Seller

_SLACK = 0.02  # seconds; what the slow clients themselves cost a machine of two cores


@dataclass(slots=True)
class Times:
    """Seconds that answers took."""

    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Half of them took less."""
        return statistics.median(self.seconds)

    @property
    def high(self) -> float:
        """All but one in twenty took less."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.95)]

    def is_as_quick_as(self, quiet: "Times") -> bool:
        """Say whether these answers took at most twice as long as those when nobody was slow."""
        return self.median <= 2 * quiet.median + _SLACK and self.high <= 2 * quiet.high + 2 * _SLACK

    def __str__(self) -> str:
        """Show the figures."""
        return f"{len(self.seconds)} answers: half within {self.median:.4f} s, 95 % within {self.high:.4f} s"


def visit(seller: Seller, *, seconds: float) -> Times:
    """Let a seller use the app for `seconds`: read the numbers, the list, one's own health, change something."""
    deal = seller.creates()
    times, over = Times(), time.monotonic() + seconds
    while time.monotonic() < over:
        for method, path, body in (
            ("GET", "/products/stats/asin-status", None),
            ("GET", "/healthz", None),
            ("GET", "/products?limit=5&favorite=true", None),
            ("PATCH", f"/products/deal/{deal['id']}", {"moq": 1 + len(times.seconds)}),
        ):
            started = time.monotonic()
            answer = seller.http.request(method, path, json=body)
            times.seconds.append(time.monotonic() - started)
            assert answer.status_code == 200, answer.text
    return times
