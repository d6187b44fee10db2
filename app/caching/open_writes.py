"""The writes that the current context has begun, so that `delete_memoized` and `replace` end the right ones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.caching.states import Replacement, Writer

if TYPE_CHECKING:
    from app.caching.engine import CacheProtocol


@dataclass(slots=True)
class _OpenWrite:
    writer: Writer
    ended: bool = False


_NONE: Final[Mapping[str, _OpenWrite]] = {}
_writes: ContextVar[Mapping[str, _OpenWrite]] = ContextVar("writes")


@contextmanager
def writing(protocol: "CacheProtocol", key: str) -> Iterator[None]:
    """Begin a write before the block. If the block does not end it, its outcome counts as unknown."""
    write = _OpenWrite(protocol.begin(key))
    reset = _writes.set({**_writes.get(_NONE), key: write})
    try:
        yield
    finally:
        _writes.reset(reset)
        if not write.ended:
            protocol.outcome_unknown(key, write.writer)


def end(protocol: "CacheProtocol", key: str, value: Replacement | None = None) -> None:
    """End the write of `key`, with the value that it left, if known. Without such a write, delete the entry."""
    write = _writes.get(_NONE).get(key)
    if write is None:
        protocol.end(key)
        return
    write.ended = True
    if value is None:
        protocol.end(key, write.writer)
    else:
        protocol.end(key, write.writer, value)


def end_all(protocol: "CacheProtocol", prefix: str) -> None:
    """End all writes whose keys start with `prefix`."""
    for key in _writes.get(_NONE):
        if key.startswith(prefix):
            end(protocol, key)
