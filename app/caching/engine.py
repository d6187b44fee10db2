"""What `Cache` asks of a backend, whatever its kind: one face for ours, for Flask-Caching's own, and for none."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from flask import Flask
from flask_caching.backends.base import BaseCache

from app.caching import inspect
from app.caching.backend import LeaseCache
from app.caching.codec import Policy
from app.caching.protocol import LeaseProtocol
from app.caching.scripts import run_text
from app.caching.states import Answer
from app.caching.trouble import REDIS_ERRORS, CacheUnavailableError, classify

R = TypeVar("R")


class Reading(Protocol):
    """The three steps of the protocol, as a memoized function takes them."""

    def fetch(self, key: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        """Return what is stored under `key`, or compute it."""

    def begin(self, key: str) -> str:
        """Announce a write; return its token."""

    def end(self, key: str, token: str = "") -> None:
        """Drop what is stored under `key`; end the write of that token."""


class Engine(ABC):
    """One backend, as one application uses it. Keys are without the prefix; `key_prefix` completes them."""

    protocol: Reading
    key_prefix: str = ""
    stores: bool = True
    """Whether anything is ever stored."""

    def __init__(self, app: Flask, backend: BaseCache) -> None:
        """Serve `backend` to `app`."""
        self.app, self.backend = app, backend
        self.policies: dict[object, Policy[Any]] = {}
        """Policies of the memoized functions that were used, by function."""

    def full_key(self, key: str) -> str:
        """Return a key as it is in the store."""
        return f"{getattr(self.backend, 'key_prefix', '')}{key}"

    def admit(self, function: object, policy: Policy[R]) -> Policy[R]:
        """Remember the policy of a memoized function before its first use."""
        return self.policies.setdefault(function, policy)

    def evaluate(self, script: bytes, key: str, *arguments: int) -> Any:  # noqa: ANN401, ARG002 - a Redis reply
        """Run a Lua script on the server; None where a backend runs none. Raises CacheUnavailableError."""
        return None

    @abstractmethod
    def forget(self, start: str) -> None:
        """Drop all memoized results whose keys start so. Raises CacheUnavailableError when that is impossible."""

    @abstractmethod
    def report(self) -> inspect.Report:
        """Ask the server how it is."""

    @abstractmethod
    def ping(self) -> None:
        """Ask whether the server answers; log nothing. Raises CacheUnavailableError when it does not."""

    @abstractmethod
    def counters(self) -> inspect.Counters | None:
        """Return what was counted; None where nobody counts. Asks no server."""

    @abstractmethod
    def entry(self, key: str) -> inspect.EntryReport | None:
        """Return the state of one entry, or None when the server does not say."""

    @abstractmethod
    def sample(self, most: int) -> list[tuple[str, inspect.EntryReport]]:
        """Return up to `most` entries by their full keys; none where a backend cannot list them."""

    @abstractmethod
    def size(self) -> int | None:
        """Count our entries; None where a backend cannot. Raises CacheUnavailableError."""

    @abstractmethod
    def drop(self, key: str, *, force: bool = False) -> int:
        """Drop one entry (with `force`, whatever it is); return how many went. Raises CacheUnavailableError."""

    @abstractmethod
    def flush(self, *, force: bool = False) -> int | None:
        """Drop all entries, as `drop`; return how many went, None when unknown. Raises CacheUnavailableError."""


class LeaseEngine(Engine):
    """Our own backend."""

    protocol: LeaseProtocol

    def __init__(self, app: Flask, backend: LeaseCache) -> None:
        """Serve `backend`."""
        super().__init__(app, backend)
        self._backend, self.protocol, self.key_prefix = backend, backend.protocol, backend.prefix

    def admit(self, function: object, policy: Policy[R]) -> Policy[R]:
        """Remember the policy; an invalidation that is owed has to outlive whatever it is to remove."""
        timing = self.protocol.timing
        if timing.owed < timing.lease + policy.ttl:
            self.protocol.timing = replace(timing, owed=timing.lease + policy.ttl)
        return super().admit(function, policy)

    def evaluate(self, script: bytes, key: str, *arguments: int) -> Any:  # noqa: ANN401 - a Redis reply
        """Run a script on one key, in one round trip, with the protocol's connections and its breaker."""
        return self.protocol.guard.call(run_text, self.protocol.ask, script, key, *arguments)

    def forget(self, start: str) -> None:
        """Drop them one batch after the other; a reader that began before drops out of its lease."""
        self.protocol.guard.call(self._backend.drop, start)

    def report(self) -> inspect.Report:
        """Ping the server and read its INFO; trouble is reported, not raised."""
        return inspect.Report(
            backend=type(self._backend).__name__,
            enabled=True,
            never_stale=True,
            server=inspect.server_report(self.protocol),
            counters=self.counters(),
            pool=inspect.pool_report(self.protocol),
        )

    def ping(self) -> None:
        """Ask past the guard, which would log what the caller says in words of its own."""
        plainly(self.protocol.client.ping)

    def counters(self) -> inspect.Counters:
        """Return the counts of all workers."""
        return inspect.counters(self.protocol)

    def entry(self, key: str) -> inspect.EntryReport | None:
        """Return the state of one entry, leases and tombstones included."""
        return inspect.entry_report(self.protocol, self.key_prefix + key)

    def sample(self, most: int) -> list[tuple[str, inspect.EntryReport]]:
        """Return entries with their state, ordered by key."""
        return inspect.sample_entries(self.protocol, self._backend.keys(), most)

    def size(self) -> int:
        """Count our entries, in steps that never block the server."""
        return plainly(lambda: sum(1 for _ in self._backend.keys()))  # noqa: SIM118 - not a dict

    def drop(self, key: str, *, force: bool = False) -> int:
        """Drop one entry; if a writer is in flight, only with `force`."""
        return plainly(lambda: self.protocol.drop([(self.key_prefix + key).encode()], force=force))

    def flush(self, *, force: bool = False) -> int:
        """Drop all our entries; those of writers in flight only with `force`."""
        return plainly(lambda: self._backend.drop(force=force))


def plainly(command: Callable[[], R]) -> R:
    """Run a command of an operator: not through the breaker, and nothing is logged."""
    try:
        return command()
    except REDIS_ERRORS as error:
        raise CacheUnavailableError(classify(error)) from None
