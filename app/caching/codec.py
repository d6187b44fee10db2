"""JSON in and out of Redis: the only serialisation there is, so that a planted value can never execute anything."""

import json
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

MAX_PAYLOAD_BYTES = 1 << 20
"""Longer payloads are refused unread: parsing megabytes of somebody's garbage would stall the reader."""

R = TypeVar("R")


class Codec(Protocol[R]):
    """Turns a memoized result into bytes and back."""

    def encode(self, value: R) -> bytes:
        """Return the payload.

        Raises:
            ValueError, TypeError: `value` cannot be represented; it is then answered but not stored.

        """

    def decode(self, payload: bytes) -> R:
        """Return the value of a payload that `encode` made.

        Raises:
            ValueError: the payload is nothing `encode` would have made; it counts as a miss.

        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Generic[R]):
    """How the results of one function are kept.

    `ttl` in seconds. `failing_with`: the exception that means nobody could compute it now; it is then raised, made
    without arguments, for everybody who asks within one wait time, so that a herd does not beat a dead database. Other
    exceptions concern only the caller they are raised for.
    """

    codec: Codec[R]
    ttl: float
    failing_with: type[Exception] | None = None


class JsonCodec:
    """Any JSON value; the same shape comes back as went in, or the value is refused."""

    def encode(self, value: Any) -> bytes:  # noqa: ANN401 - JSON has no narrower static type
        """Return compact JSON in UTF-8. Raises ValueError or TypeError for what JSON would lose (NaN, tuples, …)."""
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        if json.loads(text) != value:
            raise ValueError("the value does not survive JSON unchanged")
        return text.encode()

    def decode(self, payload: bytes) -> Any:  # noqa: ANN401 - JSON has no narrower static type
        """Parse JSON. Raises ValueError for anything else, including NaN, bad UTF-8 and endless nesting."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ValueError("payload too long")
        try:
            text = payload.decode()
            value, end = _DECODER.raw_decode(text)
        except RecursionError:
            raise ValueError("payload nested too deeply") from None
        if end != len(text):
            raise ValueError("something follows the value")
        return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # made once: `json.loads` with an option makes one for each call
