"""Clients that guess passwords, each with its own IP address, and a function that reads their audit log lines."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.visitors import Visitor, new_visitor

_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Guesser:
    """A visitor of the sign-in page behind one trusted proxy."""

    visitor: Visitor
    address: str
    csrf_token: str

    def tries(self, email: str, password: str, *, forged: str = "") -> httpx.Response:
        """Send the sign-in form. `forged` is a forged X-Forwarded-For, which the proxy extends with the address."""
        form = {"csrf_token": self.csrf_token, "email": email, "password": password}
        forwarded_for = f"{forged}, {self.address}" if forged else self.address
        return self.visitor.http.post("/sign-in", data=form, headers={b"X-Forwarded-For": forwarded_for.encode()})

    def tries_many(self, emails: Sequence[str], password: str, *, forged: str = "") -> Counter[int]:
        """Try a password for each e-mail address, eight at a time, and count the statuses. Forged headers differ."""
        with ThreadPoolExecutor(8) as threads:
            tries = [
                threads.submit(self.tries, email, password, forged=forged and f"{forged}.{number}")
                for number, email in enumerate(emails)
            ]
            return Counter(each.result().status_code for each in tries)


@contextmanager
def new_guesser(app_url: str, *, address: str = "") -> Iterator[Guesser]:
    """Yield a guesser with the sign-in page open, from a new IP address unless one is given."""
    number = next(_numbers)
    address = address or f"198.51.{100 + number // 200}.{1 + number % 200}"
    with new_visitor(app_url) as visitor:
        visitor.opens("/sign-in")
        yield Guesser(visitor, address, visitor.csrf_token)


def audited(log: Path, **wanted: str) -> list[dict[str, Any]]:
    """Return the audit lines of a JSON log that contain these members, oldest first."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if '"app.audit"' in line]
    return [line for line in lines if wanted.items() <= line.items()]
