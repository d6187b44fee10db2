"""Flask-Caching's `Cache`, whose memoized functions go through the lease protocol."""

import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import flask_caching
from flask import Flask, current_app
from flask_caching.backends.base import BaseCache
from flask_caching.backends.nullcache import NullCache

from app.caching.backend import LeaseCache
from app.caching.codec import Codec, always
from app.caching.engine import Engine, LeaseEngine, Reading
from app.caching.inspect import Counters, EntryReport, Report
from app.caching.keys import HashMethod, NamedKeys
from app.caching.memoize import EXTENSION, NEVER_EXPIRES, BoundMemoized, Conditions, Memoized
from app.caching.stock import NullEngine, StockEngine
from app.caching.timeouts import Timeout, seconds_of
from app.caching.values import ValueCodec

P = ParamSpec("P")
R = TypeVar("R")
AnyMemoized = Memoized[P, Any] | BoundMemoized[Any]

# Token of each write this context has begun, by full key, so that `delete_memoized` ends the right writer.
_writers: ContextVar[dict[str, str]] = ContextVar("writers")


class Cache(flask_caching.Cache):
    """Flask-Caching's `Cache`: readable keys, no result older than an acknowledged change, and a report.

    With `CACHE_TYPE = "app.caching.LeaseCache"` the promise holds. With any other backend everything works as well,
    without the promise.
    """

    def init_app(self, app: Flask, config: dict[str, Any] | None = None) -> None:
        """Set the cache up for `app`. Raises ValueError or TypeError for settings that cannot be used."""
        super().init_app(app, config)
        app.extensions.setdefault(EXTENSION, {})[self] = _engine_for(app, app.extensions["cache"][self])

    @property
    def engine(self) -> Engine:
        """The engine of the current application, or of the one this was set up for last."""
        engine: Engine = (current_app or self.app).extensions[EXTENSION][self]
        return engine

    @property
    def protocol(self) -> Reading:
        """The protocol behind the memoized functions of the current application."""
        return self.engine.protocol

    def memoize(  # type: ignore[override]  # noqa: PLR0913, PLR0917 - Flask-Caching's arguments, and four of ours
        self,
        timeout: Timeout = None,
        make_name: Callable[[str], str] | None = None,
        unless: Callable[..., bool] | None = None,
        forced_update: Callable[..., bool] | None = None,
        is_stale: Callable[..., bool] | None = None,
        response_filter: Callable[..., Any] | None = None,
        hash_method: HashMethod | None = None,
        cache_none: bool = False,  # noqa: FBT001, FBT002 - same
        source_check: bool | None = None,  # noqa: FBT001 - same
        args_to_ignore: Sequence[str] | None = None,
        *,
        key: Callable[..., str] | None = None,
        codec: Codec[Any] | None = None,
        failing_with: type[Exception] | None = None,
        worth_waiting: Callable[[], bool] = always,
    ) -> Callable[[Callable[P, R]], Memoized[P, R]]:
        """Memoize the decorated function for `timeout` seconds.

        The arguments must be the whole key: a function that reads anything else of the request would show one user
        another's result.

        Args:
            timeout: seconds; None takes CACHE_DEFAULT_TIMEOUT. There is no "for ever".
            make_name: makes the name in the key from `module.function`.
            unless: True leaves the cache out of a call. Gets the function and the arguments, if it takes any.
            forced_update: True computes anew. Gets the arguments, if it takes any.
            is_stale: True, given a stored result, computes anew. Gets the arguments too, if it takes them.
            response_filter: says, given a result, whether to store it.
            hash_method: puts a digest of the arguments into the key in place of the arguments.
            cache_none: whether a result of None is stored.
            source_check: whether the key depends on the function's source; None takes CACHE_SOURCE_CHECK.
            args_to_ignore: names of arguments that are not part of the key.
            key: makes the whole key (without CACHE_KEY_PREFIX) from the call's arguments, for the fewest cycles.
            codec: how results become bytes; by default JSON with the types of `app.caching.values`.
            failing_with: the exception, made without arguments, that means nobody could compute it now; see `Policy`.
            worth_waiting: says whether another caller's computation may still come to an end; see `Policy`.

        Raises:
            TypeError, ValueError: an argument cannot be used, or not with another; the message says which.

        """
        if callable(timeout):
            raise TypeError("memoize is called with its arguments before it decorates: @cache.memoize()")
        if timeout is not None and seconds_of(timeout, 0) == 0:
            raise ValueError(NEVER_EXPIRES)
        options = {"make_name": make_name, "hash_method": hash_method, "source_check": source_check,
                   "args_to_ignore": args_to_ignore}  # fmt: skip
        given = [name for name, value in options.items() if value is not None]
        if key is not None and given:
            raise TypeError(f"`key` makes the whole key: it leaves nothing to {', '.join(given)}")
        conditions = Conditions(
            unless=unless, forced_update=forced_update, is_stale=is_stale, response_filter=response_filter,
            cache_none=cache_none,
        )  # fmt: skip

        def decorate(function: Callable[P, R]) -> Memoized[P, R]:
            keys = key or NamedKeys(
                function,
                make_name=make_name,
                hash_method=hash_method,
                source_check=lambda: bool(self.source_check if source_check is None else source_check),
                args_to_ignore=args_to_ignore or (),
            )
            return Memoized(
                self, function, timeout=timeout, key=keys, codec=codec or ValueCodec(), failing_with=failing_with,
                worth_waiting=worth_waiting, conditions=conditions,
            )  # fmt: skip

        return decorate

    def delete_memoized(self, f: AnyMemoized[P], *args: Any, **kwargs: Any) -> None:  # type: ignore[override]  # noqa: ANN401 - the call's arguments
        """Drop what is memoized for exactly these arguments, or (no arguments) all results of `f`.

        For exactly these arguments it takes one round trip and never raises for Redis trouble: what cannot be delivered
        is owed. Inside `writing` it also ends that write. All results of a method of one object: `f` is that method.

        Raises:
            TypeError: `f` is not memoized, or has a `key` of its own and the arguments are missing.
            CacheUnavailableError: all results were to be dropped, and Redis could not be asked which there are.

        """
        memoized, instance = _resolved(f)
        if instance and args and args[0] is instance[0]:
            args = args[1:]
        start = None if args or kwargs else memoized.start_of_keys(*instance)
        engine = self._used(memoized)
        if start is None:
            key = engine.key_prefix + memoized.make_cache_key(*instance, *args, **kwargs)
            engine.protocol.end(key, _writers.get({}).get(key, ""))
            return
        for key, token in _writers.get({}).items():
            if key.startswith(engine.key_prefix + start):
                engine.protocol.end(key, token)
        engine.forget(start)

    def delete_memoized_verhash(self, f: AnyMemoized[P], *args: Any) -> None:  # type: ignore[override]  # noqa: ANN401, ARG002 - Flask-Caching's signature
        """Drop all results of `f`: there are no version hashes, so this is `delete_memoized(f)`."""
        self.delete_memoized(f)

    @contextmanager
    def writing(self, f: AnyMemoized[P], *args: Any, **kwargs: Any) -> Iterator[None]:  # noqa: ANN401 - same
        """Announce that what `f(*args)` is computed from is about to change; inside, nothing is stored for it.

        Call `delete_memoized` inside when the outcome is known, whatever it is. Leave without it when the outcome is
        unknown: the announcement then stands until its deadline, because the change may still happen.
        """
        memoized, instance = _resolved(f)
        engine = self._used(memoized)
        key = engine.key_prefix + memoized.make_cache_key(*instance, *args, **kwargs)
        reset = _writers.set({**_writers.get({}), key: engine.protocol.begin(key)})
        try:
            yield
        finally:
            _writers.reset(reset)

    def evaluate(self, script: bytes, key: str, *arguments: int) -> Any:  # noqa: ANN401 - a Redis reply
        """Run a Lua script on the cache's Redis: one key, in full, and one round trip. None where nothing runs scripts.

        It waits as long as a reader may and shares the connections and the breaker, so it costs nothing while Redis is
        known to be away. Raises CacheUnavailableError.
        """
        return self.engine.evaluate(script, key, *arguments)

    @property
    def stores(self) -> bool:
        """Whether anything is stored: not with NullCache."""
        return self.engine.stores

    def report(self) -> Report:
        """Ask the server how it is; trouble is reported, not raised. See `Report`."""
        return self.engine.report()

    def ping(self) -> None:
        """Ask whether the server answers. Raises CacheUnavailableError, which says why not."""
        self.engine.ping()

    def counters(self) -> Counters | None:
        """Return what the cache did so far, in all workers; None where nobody counts. Asks no server."""
        return self.engine.counters()

    def entry(self, key: str) -> EntryReport | None:
        """Return the state of the entry under `key` (without the prefix), or None when nobody says."""
        return self.engine.entry(key)

    def sample(self, most: int) -> list[tuple[str, EntryReport]]:
        """Return up to `most` entries by their full keys."""
        return self.engine.sample(most)

    def size(self) -> int | None:
        """Count our entries; None where a backend cannot. Raises CacheUnavailableError."""
        return self.engine.size()

    def drop(self, key: str, *, force: bool = False) -> int:
        """Drop the entry under `key`; return how many went. Raises CacheUnavailableError, where `delete` says False.

        While a change is under way the mark of its writer stays, unless `force`; see `LeaseProtocol.drop`.
        """
        return self.engine.drop(key, force=force)

    def flush(self, *, force: bool = False) -> int | None:
        """Drop all our entries as `drop` does; return how many, if known. Raises CacheUnavailableError."""
        return self.engine.flush(force=force)

    def _used(self, memoized: Memoized[..., Any]) -> Engine:
        """Return the engine once it knows how long the results of `memoized` live."""
        engine = self.engine
        if memoized not in engine.policies:
            memoized.policy(engine)
        return engine


def _engine_for(app: Flask, backend: BaseCache) -> Engine:
    if isinstance(backend, LeaseCache):
        return LeaseEngine(app, backend)
    return NullEngine(app, backend) if isinstance(backend, NullCache) else StockEngine(app, backend)


def _resolved(f: object) -> tuple[Memoized[..., Any], tuple[object, ...]]:
    """Return the memoized function behind `f`, and what it is bound to, if anything."""
    if isinstance(f, types.MethodType):  # a classmethod, from Python 3.13
        f = BoundMemoized(f.__func__, f.__self__) if isinstance(f.__func__, Memoized) else f
    if isinstance(f, BoundMemoized):
        return f.memoized, (f.__self__,)
    if isinstance(f, Memoized):
        return f, ()
    raise TypeError("not a function that `Cache.memoize` of app.caching decorated")
