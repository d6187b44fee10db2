"""The protocol's null twin: the same face when there is no Redis (Flask-Caching's NullCache is configured)."""

from collections.abc import Callable
from typing import TypeVar

from app.caching.codec import Policy
from app.caching.states import Answer, Outcome

R = TypeVar("R")


class NullProtocol:
    """Computes every time, remembers nothing, owes nothing."""

    def fetch(self, key: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:  # noqa: ARG002 - same face
        """Return what `compute` returns."""
        return Answer(compute(), Outcome.BYPASS, detail="no-redis")

    def begin(self, key: str) -> str:  # noqa: ARG002 - same face
        """Return a token that means nothing."""
        return ""

    def end(self, key: str, token: str = "") -> None:
        """Do nothing."""
