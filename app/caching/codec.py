"""JSON in and out of the store: the only serialisation there is, so that a planted value can never execute anything."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

MAX_PAYLOAD_BYTES: Final = 1 << 20
"""Longer payloads are neither stored nor parsed: megabytes of somebody's garbage would stall the reader."""
SCALARS: Final = frozenset({str, int, float, bool, type(None)})
"""The types that JSON gives back exactly; a subclass, such as an IntEnum, comes back as something else."""

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


def always() -> bool:
    """Say yes."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Generic[R]):
    """How the results of one function are kept.

    `ttl` in seconds. `failing_with`: the exception that means nobody could compute it now; it is then raised, made
    without arguments, for everybody who asks within one wait time, so that a herd does not beat a dead database. Other
    exceptions concern only the caller they are raised for. `worth_waiting`: False while a computation would fail at
    once. Then nobody waits for another caller's, and a failure is not told to anybody else.
    """

    codec: Codec[R]
    ttl: float
    failing_with: type[Exception] | None = None
    worth_waiting: Callable[[], bool] = always


class PayloadTooLongError(ValueError):
    """The value is longer than `MAX_PAYLOAD_BYTES`."""


class JsonCodec:
    """Any JSON value; the same value of the same type comes back, or it is refused."""

    def encode(self, value: Any) -> bytes:  # noqa: ANN401 - JSON has no narrower static type
        """Return compact JSON in UTF-8.

        Raises:
            TypeError: JSON would give back something else (a tuple, an enumeration member, a key that is no text).
            ValueError: not a number (NaN), nested too deeply, or too long.

        """
        try:
            if not _is_plain(value):
                raise TypeError(f"JSON cannot give back exactly this {type(value).__name__}")
            return written(value)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def decode(self, payload: bytes) -> Any:  # noqa: ANN401 - JSON has no narrower static type
        """Parse JSON. Raises ValueError for anything else, including NaN, bad UTF-8 and endless nesting."""
        return parsed(payload, _DECODER)


def written(value: object) -> bytes:
    """Return `value` as compact JSON. Raises ValueError for NaN and for more than `MAX_PAYLOAD_BYTES`."""
    return short_enough(json.dumps(value, separators=(",", ":"), allow_nan=False).encode())


def short_enough(payload: bytes) -> bytes:
    """Return `payload`. Raises ValueError for more than `MAX_PAYLOAD_BYTES`."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLongError(f"longer than {MAX_PAYLOAD_BYTES} bytes")
    return payload


def parsed(payload: bytes, decoder: json.JSONDecoder) -> Any:  # noqa: ANN401 - JSON has no narrower static type
    """Parse JSON with `decoder`. Raises ValueError for anything that is not exactly one JSON value."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLongError("payload too long")
    try:
        text = payload.decode()
        value, end = decoder.raw_decode(text)
    except RecursionError:
        raise ValueError("payload nested too deeply") from None
    if end != len(text):
        raise ValueError("something follows the value")
    return value


def refuse_constant(constant: str) -> None:
    """Refuse NaN and the infinities, which Python would read though they are not JSON."""
    raise ValueError(f"{constant} is not JSON")


def _is_plain(value: object) -> bool:
    kind = type(value)
    if kind is list:
        return all(map(_is_plain, value))  # type: ignore[call-overload]  # mypy does not narrow by `type(…) is`
    if kind is dict:
        return all(type(key) is str for key in value) and all(map(_is_plain, value.values()))  # type: ignore[attr-defined]  # same
    return kind in SCALARS


# Made once: `json.loads` with an option makes one for each call.
_DECODER = json.JSONDecoder(parse_constant=refuse_constant)
