"""Conversion of results to JSON and back. No other format is used, so a planted value cannot execute code."""

import json
from typing import Any, Final, Protocol, TypeVar

MAX_PAYLOAD_BYTES: Final = 1 << 20
"""Longer payloads are neither stored nor parsed, because parsing megabytes of planted data would delay the reader."""
SCALARS: Final = frozenset({str, int, float, bool, type(None)})
"""The types that JSON restores exactly. Subclasses, such as an IntEnum, are not restored exactly."""

R = TypeVar("R")


class Codec(Protocol[R]):
    """Converts a memoized result to bytes and back."""

    def encode(self, value: R) -> bytes:
        """Return the payload.

        Raises:
            ValueError, TypeError: `value` cannot be encoded. The engine then returns it without storing it.

        """

    def decode(self, payload: bytes) -> R:
        """Return the value of a payload that `encode` returned.

        Raises:
            ValueError: `encode` cannot have returned this payload. The engine treats it as a miss.

        """


class PayloadTooLongError(ValueError):
    """The payload is longer than `MAX_PAYLOAD_BYTES`."""


class JsonCodec:
    """Encodes any JSON value. `decode` returns an equal value of the same type; other values are rejected."""

    def encode(self, value: Any) -> bytes:  # noqa: ANN401 - JSON has no narrower static type
        """Return compact JSON in UTF-8.

        Raises:
            TypeError: JSON would not restore the type (a tuple, an enumeration member, a key that is not a str).
            ValueError: the value contains NaN or an infinity, is nested too deeply, or is too long.

        """
        try:
            if not _is_plain(value):
                raise TypeError(f"JSON cannot restore this {type(value).__name__} exactly")
            return dump_json(value)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def decode(self, payload: bytes) -> Any:  # noqa: ANN401 - JSON has no narrower static type
        """Parse JSON. Raises ValueError for anything else, including NaN, invalid UTF-8 and too deep nesting."""
        return load_json(payload, _DECODER)


def dump_json(value: object) -> bytes:
    """Return `value` as compact JSON. Raises ValueError for NaN and for more than `MAX_PAYLOAD_BYTES`."""
    return check_length(json.dumps(value, separators=(",", ":"), allow_nan=False).encode())


def check_length(payload: bytes) -> bytes:
    """Return `payload`. Raises PayloadTooLongError for more than `MAX_PAYLOAD_BYTES`."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLongError(f"longer than {MAX_PAYLOAD_BYTES} bytes")
    return payload


def load_json(payload: bytes, decoder: json.JSONDecoder) -> Any:  # noqa: ANN401 - JSON has no narrower static type
    """Parse JSON with `decoder`. Raises ValueError for anything that is not exactly one JSON value."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLongError("payload too long")
    try:
        text = payload.decode()
        value, end = decoder.raw_decode(text)
    except RecursionError:
        raise ValueError("payload nested too deeply") from None
    if end != len(text):
        raise ValueError("extra data after the value")
    return value


def reject_constant(constant: str) -> None:
    """Raise ValueError for NaN and the infinities: Python's parser accepts them, but they are not JSON."""
    raise ValueError(f"{constant} is not JSON")


def _is_plain(value: object) -> bool:
    kind = type(value)
    if kind is list:
        return all(map(_is_plain, value))  # type: ignore[call-overload]  # mypy does not narrow by `type(…) is`
    if kind is dict:
        return all(type(key) is str for key in value) and all(map(_is_plain, value.values()))  # type: ignore[attr-defined]  # same
    return kind in SCALARS


# Made once: `json.loads` with an option makes a new decoder in each call.
_DECODER = json.JSONDecoder(parse_constant=reject_constant)
