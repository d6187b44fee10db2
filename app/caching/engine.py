"""The interface between `Cache` and a backend, and its implementation for `LeaseCache`; see `stock` for the others."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from flask import Flask
from flask_caching.backends.base import BaseCache

from app.caching import reports
from app.caching.backend import LeaseCache
from app.caching.connection import is_cluster
from app.caching.errors import REDIS_ERRORS, CacheUnavailableError, classify
from app.caching.policy import Policy
from app.caching.protocol import LeaseProtocol
from app.caching.scripts import run_source
from app.caching.states import NO_WRITER, Answer, Replacement, Writer

R = TypeVar("R")


class CacheProtocol(Protocol):
    """The operations that memoized functions use."""

    def fetch(self, key: str, compute: Callable[[], R], policy: Policy[R]) -> Answer[R]:
        """Return the value stored under `key`, or compute it."""

    def begin(self, key: str) -> Writer:
        """Announce a write and return its writer."""

    def end(self, key: str, writer: Writer = NO_WRITER, value: Replacement | None = None) -> None:
        """End the write of `writer`: replace the value under `key` by `value`, or delete it."""

    def outcome_unknown(self, key: str, writer: Writer) -> None:
        """Make all readers compute until the deadline of `writer`, whose change may or may not happen."""


class Engine(ABC):
    """One backend, used by one application. Methods take keys without the prefix `key_prefix`."""

    protocol: CacheProtocol
    key_prefix: str = ""
    stores: bool = True
    """False if the backend stores nothing (NullCache)."""

    def __init__(self, app: Flask, backend: BaseCache) -> None:
        """Use `backend` for `app`."""
        self.app, self.backend = app, backend
        self.policies: dict[object, Policy[Any]] = {}
        """The policies of the memoized functions used so far, by function."""

    def full_key(self, key: str) -> str:
        """Return the key as the backend stores it, with the prefix."""
        return f"{getattr(self.backend, 'key_prefix', '')}{key}"

    def register(self, function: object, policy: Policy[R]) -> Policy[R]:
        """Store the policy of a memoized function before its first use."""
        return self.policies.setdefault(function, policy)

    def evaluate(self, script: bytes, key: str, *arguments: int) -> Any:  # noqa: ANN401, ARG002 - a Redis reply
        """Run a Lua script on the server. None if the backend cannot run scripts. Raises CacheUnavailableError."""
        return None

    def peek(self, key: str, policy: Policy[R]) -> Answer[R] | None:  # noqa: ARG002 - same
        """Return the stored value that readers get now; None if there is none, or while a writer is in flight.

        Raises CacheUnavailableError.
        """
        return None

    def count(self, name: str) -> None:  # noqa: B027 - other backends have no counters
        """Add one to a counter of `events.COUNTERS`, if the backend has counters."""

    @abstractmethod
    def delete_prefix(self, prefix: str) -> None:
        """Delete all memoized results whose keys start with `prefix`. Raises CacheUnavailableError."""

    @abstractmethod
    def report(self) -> reports.Report:
        """Report the health of the cache. Never raises for Redis errors."""

    @abstractmethod
    def ping(self) -> None:
        """Check that the server answers, without logging. Raises CacheUnavailableError if it does not."""

    @abstractmethod
    def counters(self) -> reports.Counters | None:
        """Return the counters; None if the backend has none. Sends nothing to the server."""

    @abstractmethod
    def entry(self, key: str) -> reports.EntryReport | None:
        """Return the state of one entry; None if it is unknown."""

    @abstractmethod
    def sample(self, limit: int) -> list[tuple[str, reports.EntryReport]]:
        """Return up to `limit` entries with their full keys. Empty if the backend cannot list its keys."""

    def page(self, cursor: int, limit: int) -> reports.EntryPage | None:  # noqa: ARG002 - same
        """Return about `limit` entries from `cursor` on; None if they cannot be listed."""
        return None

    @abstractmethod
    def size(self) -> int | None:
        """Return the number of entries; None if the backend cannot count them. Raises CacheUnavailableError."""

    @abstractmethod
    def drop(self, key: str, *, force: bool = False) -> int:
        """Delete one entry; return how many were deleted. Raises CacheUnavailableError.

        An entry with writers in flight is deleted only with `force`; otherwise only its value is.
        """

    @abstractmethod
    def flush(self, *, force: bool = False) -> int | None:
        """Delete all entries like `drop`; return how many were deleted, None if unknown. Raises as `drop` does."""


class LeaseEngine(Engine):
    """The engine for `LeaseCache`."""

    protocol: LeaseProtocol

    def __init__(self, app: Flask, backend: LeaseCache) -> None:
        """Use `backend` for `app`."""
        super().__init__(app, backend)
        self._backend, self.protocol, self.key_prefix = backend, backend.protocol, backend.prefix

    def register(self, function: object, policy: Policy[R]) -> Policy[R]:
        """Store the policy, and extend the lifetime of owed deletes if its TTL is longer."""
        timing = self.protocol.timing
        if timing.owed < timing.lease + policy.ttl:
            self.protocol.timing = replace(timing, owed=timing.lease + policy.ttl)
        return super().register(function, policy)

    def evaluate(self, script: bytes, key: str, *arguments: int) -> Any:  # noqa: ANN401 - a Redis reply
        """Run a script on one key in one round trip, with the protocol's connections and circuit breaker."""
        return self.protocol.guard.call(run_source, self.protocol.send_as_reader, script, key, *arguments)

    def peek(self, key: str, policy: Policy[R]) -> Answer[R] | None:
        """Return the stored value that readers get now, without taking a lease. Raises CacheUnavailableError."""
        return self.protocol.peek(self.key_prefix + key, policy)

    def count(self, name: str) -> None:
        """Add one to a counter of this process."""
        self.protocol.region.count(name)

    def delete_prefix(self, prefix: str) -> None:
        """Delete the results in batches. Leases are deleted too, so readers in flight cannot store their results."""
        self.protocol.guard.call(self._backend.drop, prefix)

    def report(self) -> reports.Report:
        """Ping the server and read its INFO. Redis errors are part of the report and are not raised."""
        return reports.Report(
            backend=type(self._backend).__name__,
            enabled=True,
            never_stale=True,
            server=reports.server_report(self.protocol),
            counters=self.counters(),
            pool=reports.pool_report(self.protocol),
        )

    def ping(self) -> None:
        """Ping without the guard, which would log the error: the caller reports it itself."""
        without_guard(self.protocol.client.ping)

    def counters(self) -> reports.Counters:
        """Return the counters of all workers."""
        return reports.counters(self.protocol)

    def entry(self, key: str) -> reports.EntryReport | None:
        """Return the state of one entry, including leases and writers in flight."""
        return reports.entry_report(self.protocol, self.key_prefix + key)

    def sample(self, limit: int) -> list[tuple[str, reports.EntryReport]]:
        """Return up to `limit` entries with their states, ordered by key."""
        return reports.sample_entries(self.protocol, self._backend.keys(), limit)

    def page(self, cursor: int, limit: int) -> reports.EntryPage | None:
        """Return about `limit` entries from `cursor` on; of a cluster, only the first `limit` ones."""
        if is_cluster(self.protocol.client):
            return reports.EntryPage(self.sample(limit))
        return reports.entry_page(self.protocol, self._backend.pattern(), cursor, limit)

    def size(self) -> int:
        """Count the entries with SCAN, which does not block the server."""
        return without_guard(lambda: sum(1 for _ in self._backend.keys()))  # noqa: SIM118 - not a dict

    def drop(self, key: str, *, force: bool = False) -> int:
        """Delete one entry; while a writer is in flight, only with `force`."""
        return without_guard(lambda: self.protocol.drop([(self.key_prefix + key).encode()], force=force))

    def flush(self, *, force: bool = False) -> int:
        """Delete all entries; those of writers in flight only with `force`."""
        return without_guard(lambda: self._backend.drop(force=force))


def without_guard(command: Callable[[], R]) -> R:
    """Run an operator's command without the circuit breaker and without logging. Raises CacheUnavailableError."""
    try:
        return command()
    except REDIS_ERRORS as error:
        raise CacheUnavailableError(classify(error)) from None
