"""Flask-Caching's own backends behind the engine's face: they work, without the engine's promise."""

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

from app.caching.codec import Policy
from app.caching.engine import Engine, plainly
from app.caching.inspect import EntryReport, Report, ServerReport
from app.caching.states import Answer, Outcome

logger = logging.getLogger(__name__)

R = TypeVar("R")

# `module.function:` and, for a method, `module.Class.method:"instance":`; see `NamedKeys`.
_STARTS: Final = re.compile(r'(?P<function>[^:]*:)(?P<instance>"(?:[^"\\]|\\.)*":)?')


class NullProtocol:
    """Computes every time and stores nothing (Flask-Caching's NullCache is configured)."""

    def fetch(self, key: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:  # noqa: ARG002 - same face
        """Return what `compute` returns."""
        return Answer(compute(), Outcome.BYPASS, detail="no-redis")

    def begin(self, key: str) -> str:  # noqa: ARG002 - same face
        """Return a token that means nothing."""
        return ""

    def end(self, key: str, token: str = "") -> None:
        """Do nothing."""


class StockProtocol(NullProtocol):
    """Get, or compute and set; delete after a change. Races are not looked after, as in Flask-Caching's memoize.

    To drop all results of a function, whose keys a backend cannot list, each result carries the function's stamp and is
    used only while that is the current one.
    """

    def __init__(self, backend: BaseCache) -> None:
        """Work on `backend`; its trouble is logged, never raised."""
        self._backend = backend

    def fetch(self, key: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        """Return what is stored, or compute and store it."""
        stamp_keys = _stamp_keys(key)
        found = self._asked(lambda: self._backend.get_many(key, *stamp_keys))
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
        self._asked(lambda: self._backend.set_many(entries, timeout=0))
        kept = self._asked(lambda: self._backend.set(key, (list(entries.values()), payload), timeout=round(policy.ttl)))
        return Answer(value, Outcome.STORED, ttl=policy.ttl) if kept else Answer(value, Outcome.BYPASS)

    def end(self, key: str, token: str = "") -> None:  # noqa: ARG002 - same face
        """Delete what is stored."""
        self._asked(lambda: self._backend.delete(key))

    def forget(self, start: str) -> None:
        """Give the results whose keys start so a new stamp, which none that is stored has."""
        self._asked(lambda: self._backend.set(_stamp_key(start), secrets.token_hex(8), timeout=0))

    def _asked(self, command: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the backend answers
        try:
            return command()
        except Exception:  # noqa: BLE001 - each backend has errors of its own
            logger.warning("%s failed, going on without it", type(self._backend).__name__)
            return None


class StockEngine(Engine):
    """A backend of Flask-Caching, or of somebody else."""

    def __init__(self, app: Flask, backend: BaseCache) -> None:
        """Serve `backend`, which completes keys by itself."""
        super().__init__(app, backend)
        self._protocol = StockProtocol(backend)
        self.protocol = self._protocol

    def forget(self, start: str) -> None:
        """Drop the results whose keys start so."""
        self._protocol.forget(start)

    def report(self) -> Report:
        """Say whether the backend answers; it tells no more."""
        started = time.perf_counter()
        answers = self._says_anything()
        latency = round(1000 * (time.perf_counter() - started), 3)
        enabled = isinstance(self.backend, RedisCache)
        connected = enabled and answers
        server = ServerReport(connected=connected, latency_ms=latency if connected else None)
        return Report(type(self.backend).__name__, enabled=enabled, never_stale=False, server=server)

    def ping(self) -> None:
        """Ask for an entry that nobody stores."""
        plainly(lambda: self.backend.has("ping"))

    def counters(self) -> None:
        """Return None: nobody counts."""

    def entry(self, key: str) -> EntryReport | None:
        """Say whether a value is stored."""
        return EntryReport("value" if self.backend.has(key) else "absent") if self._says_anything() else None

    def sample(self, most: int) -> list[tuple[str, EntryReport]]:  # noqa: ARG002 - same face
        """Return nothing: a backend does not list its keys."""
        return []

    def size(self) -> None:
        """Return None: a backend does not count its keys."""

    def drop(self, key: str, *, force: bool = False) -> int:  # noqa: ARG002 - same face
        """Delete one entry."""
        return int(plainly(lambda: self.backend.delete(key)))

    def flush(self, *, force: bool = False) -> None:  # noqa: ARG002 - same face
        """Clear the backend."""
        plainly(self.backend.clear)

    def _says_anything(self) -> bool:
        try:
            self.ping()
        except Exception:  # noqa: BLE001 - each backend has errors of its own
            return False
        return True


class NullEngine(StockEngine):
    """Flask-Caching's NullCache: nothing is stored."""

    stores = False

    def __init__(self, app: Flask, backend: NullCache) -> None:
        """Serve `backend`."""
        super().__init__(app, backend)
        self.protocol = NullProtocol()

    def entry(self, key: str) -> None:
        """Return None: there is nobody who could say."""


def _stamp_keys(key: str) -> list[str]:
    """Return the keys of the stamps that `forget` changes to drop `key`; see `NamedKeys.start`."""
    match = _STARTS.match(key)
    return [_stamp_key(start) for start in sorted({match["function"], match[0]})] if match else []


def _stamp_key(start: str) -> str:
    return f"stamp:{start}"
