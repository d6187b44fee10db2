"""Yes-or-no questions about callers that the database answers, asked again when an answer is too old."""

import time
from collections.abc import Callable
from typing import Final

from app.auth.memory import BoundedMemory

_CAPACITY: Final = 1_000


class Answers:
    """One such question, and the answers to it of the last few seconds. Safe to share between threads."""

    def __init__(
        self, ask: Callable[[str], bool], *, seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Ask with `ask`, as the owner of the token it is given. An answer holds for `seconds` after the asking.

        `monotonic` returns seconds.
        """
        self._ask = ask
        self._seconds = seconds
        self._monotonic = monotonic
        self._known: BoundedMemory[str, bool] = BoundedMemory(_CAPACITY, clock=monotonic)

    def about(self, subject: str, *, token: str) -> bool:
        """Return the answer about `subject`, whom `token` stands for. What `ask` raises passes through."""
        answer = self._known.recall(subject)
        if answer is None:
            asked_at = self._monotonic()
            answer = self._ask(token)
            self._known.remember(subject, answer, until=asked_at + self._seconds)
        return answer
