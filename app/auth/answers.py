"""Cached answers of the database to yes-or-no questions about callers."""

import time
from collections.abc import Callable
from typing import Final

from app.auth.expiring_cache import ExpiringCache

_CAPACITY: Final = 1_000


class Answers:
    """A question and its answers of the last few seconds. Threads may share it."""

    def __init__(
        self, ask: Callable[[str], bool], *, seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Create an empty cache.

        Args:
            ask: sends the question to the database, as the owner of the given token.
            seconds: lifetime of an answer, counted from the time of the question.
            monotonic: returns seconds.

        """
        self._ask = ask
        self._seconds = seconds
        self._monotonic = monotonic
        self._answers: ExpiringCache[str, bool] = ExpiringCache(_CAPACITY, clock=monotonic)

    def about(self, subject: str, *, token: str) -> bool:
        """Return the answer about `subject`, the owner of `token`. Raises what `ask` raises."""
        answer = self._answers.get(subject)
        if answer is None:
            asked_at = self._monotonic()
            answer = self._ask(token)
            self._answers.put(subject, answer, until=asked_at + self._seconds)
        return answer
