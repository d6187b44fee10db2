"""Engines for Flask-Caching's own backends: the same interface, without the promise of freshness."""

import logging
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from flask import Flask
from flask_caching.backends.base import BaseCache
from flask_caching.backends.nullcache import NullCache
from flask_caching.backends.rediscache import RedisCache

from app.caching.engine import Engine, without_guard
from app.caching.policy import Policy
from app.caching.reports import EntryReport, Report, ServerReport
from app.caching.states import NO_WRITER, Answer, Outcome, Replacement, Writer

logger = logging.getLogger(__name__)

R = TypeVar("R")

# `module.function:` and, for a method, `module.Class.method:"instance":`; see `NamedKeys`.
_PREFIXES: Final = re.compile(r'(?P<function>[^:]*:)(?P<instance>"(?:[^"\\]|\\.)*":)?')


class NullProtocol:
    """No-op implementation of the protocol, used with Flask-Caching's NullCache. Each read computes the value."""

    def fetch(self, key: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:  # noqa: ARG002 - same interface
        """Return the result of `compute`."""
        return Answer(compute(), Outcome.BYPASS, detail="no-redis")

    def begin(self, key: str) -> Writer:  # noqa: ARG002 - same interface
        """Return no writer."""
        return NO_WRITER

    def end(self, key: str, writer: Writer = NO_WRITER, value: Replacement | None = None) -> None:
        """Do nothing."""

    def outcome_unknown(self, key: str, writer: Writer) -> None:
        """Do nothing."""


class StockProtocol(NullProtocol):
    """Cache-aside: get, or compute and set; delete after a change. Races are possible, as in Flask-Caching's memoize.

    Flask-Caching's backends cannot list keys. To delete all results of a function, each result is stored with a stamp:
    random text that identifies the current version of its function. A new stamp invalidates all results.
    """

    def __init__(self, backend: BaseCache) -> None:
        """Use `backend`. Its errors are logged and never raised."""
        self._backend = backend

    def fetch(self, key: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        """Return the stored value, or compute and store it."""
        stamp_keys = _stamp_keys(key)
        found = self._call(lambda: self._backend.get_many(key, *stamp_keys))
        if found is None:
            return Answer(compute(), Outcome.BYPASS, detail="backend-error")
        stored, *stamps = found
        if isinstance(stored, tuple) and len(stored) == 2 and stored[0] == stamps and None not in stamps:
            with suppress(ValueError):
                return Answer(policy.codec.decode(stored[1]), Outcome.HIT)
        value = compute()
        try:
            payload = policy.codec.encode(value)
        except (TypeError, ValueError):
            return Answer(value, Outcome.BYPASS, detail="unserialisable")
        entries = {name: stamp or secrets.token_hex(8) for name, stamp in zip(stamp_keys, stamps, strict=True)}
        self._call(lambda: self._backend.set_many(entries, timeout=0))
        kept = self._call(lambda: self._backend.set(key, (list(entries.values()), payload), timeout=round(policy.ttl)))
        return Answer(value, Outcome.STORED, ttl=policy.ttl) if kept else Answer(value, Outcome.BYPASS)

    def end(self, key: str, writer: Writer = NO_WRITER, value: Replacement | None = None) -> None:  # noqa: ARG002 - same interface
        """Delete the stored value. It is not replaced, because nothing says whether a later write has ended already."""
        self._call(lambda: self._backend.delete(key))

    def outcome_unknown(self, key: str, writer: Writer) -> None:
        """Delete the stored value."""
        self.end(key, writer)

    def delete_prefix(self, prefix: str) -> None:
        """Set a new stamp for the keys that start with `prefix`, so that no stored result is used any more."""
        self._call(lambda: self._backend.set(_stamp_key(prefix), secrets.token_hex(8), timeout=0))

    def _call(self, command: Callable[[], Any]) -> Any:  # noqa: ANN401 - any result of the backend
        try:
            return command()
        except Exception:  # noqa: BLE001 - each backend has its own errors
            logger.warning("%s failed, continuing without it", type(self._backend).__name__)
            return None


class StockEngine(Engine):
    """The engine for a backend of Flask-Caching or of a third party."""

    def __init__(self, app: Flask, backend: BaseCache) -> None:
        """Use `backend`, which adds the key prefix itself."""
        super().__init__(app, backend)
        self._protocol = StockProtocol(backend)
        self.protocol = self._protocol

    def delete_prefix(self, prefix: str) -> None:
        """Delete the results whose keys start with `prefix`."""
        self._protocol.delete_prefix(prefix)

    def report(self) -> Report:
        """Report whether the backend answers; no other data is available."""
        started = time.perf_counter()
        responds = self._responds()
        latency = round(1000 * (time.perf_counter() - started), 3)
        enabled = isinstance(self.backend, RedisCache)
        connected = enabled and responds
        server = ServerReport(connected=connected, latency_ms=latency if connected else None)
        return Report(type(self.backend).__name__, enabled=enabled, never_stale=False, server=server)

    def ping(self) -> None:
        """Check for an entry that never exists."""
        without_guard(lambda: self.backend.has("ping"))

    def counters(self) -> None:
        """Return None: there are no counters."""

    def entry(self, key: str) -> EntryReport | None:
        """Return whether a value is stored."""
        return EntryReport("value" if self.backend.has(key) else "absent") if self._responds() else None

    def sample(self, limit: int) -> list[tuple[str, EntryReport]]:  # noqa: ARG002 - same interface
        """Return an empty list: the backend cannot list its keys."""
        return []

    def size(self) -> None:
        """Return None: the backend cannot count its keys."""

    def drop(self, key: str, *, force: bool = False) -> int:  # noqa: ARG002 - same interface
        """Delete one entry."""
        return int(without_guard(lambda: self.backend.delete(key)))

    def flush(self, *, force: bool = False) -> None:  # noqa: ARG002 - same interface
        """Clear the backend."""
        without_guard(self.backend.clear)

    def _responds(self) -> bool:
        try:
            self.ping()
        except Exception:  # noqa: BLE001 - each backend has its own errors
            return False
        return True


class NullEngine(StockEngine):
    """The engine for Flask-Caching's NullCache, which stores nothing."""

    stores = False

    def __init__(self, app: Flask, backend: NullCache) -> None:
        """Use `backend` for `app`."""
        super().__init__(app, backend)
        self.protocol = NullProtocol()

    def entry(self, key: str) -> None:
        """Return None: the state of an entry is unknown."""


def _stamp_keys(key: str) -> list[str]:
    """Return the keys of the stamps that apply to `key`: of its function and, for a method, of its instance."""
    match = _PREFIXES.match(key)
    return [_stamp_key(prefix) for prefix in sorted({match["function"], match[0]})] if match else []


def _stamp_key(prefix: str) -> str:
    return f"stamp:{prefix}"
