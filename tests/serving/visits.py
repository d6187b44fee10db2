"""Ordinary requests and their durations."""

import statistics
import time
from dataclasses import dataclass, field

from tests.sellers import Seller

_SLACK = 0.02  # seconds; allows for the processor time of the slow clients on a machine with two cores


@dataclass(slots=True)
class Times:
    """Durations of answers in seconds."""

    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.seconds)

    @property
    def high(self) -> float:
        """The 95th percentile."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.95)]

    def is_as_quick_as(self, quiet: "Times") -> bool:
        """Return whether these answers took at most twice as long as those without slow clients."""
        return self.median <= 2 * quiet.median + _SLACK and self.high <= 2 * quiet.high + 2 * _SLACK

    def __str__(self) -> str:
        """Format the figures."""
        return f"{len(self.seconds)} answers: half within {self.median:.4f} s, 95 % within {self.high:.4f} s"


def visit(seller: Seller, *, seconds: float) -> Times:
    """Use the app as a seller for `seconds`: read the stats, the health check and the list, and change a deal."""
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
