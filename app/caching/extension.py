"""A subclass of Flask-Caching's `Cache` whose memoized functions use the lease protocol."""

import types
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ParamSpec, TypeVar

import flask_caching
from flask import Flask, current_app
from flask_caching.backends.base import BaseCache
from flask_caching.backends.nullcache import NullCache

from app.caching import open_writes
from app.caching.backend import LeaseCache
from app.caching.codec import Codec
from app.caching.conditions import Conditions
from app.caching.configuration import Timeout, seconds_of
from app.caching.engine import CacheProtocol, Engine, LeaseEngine
from app.caching.keys import HashMethod, NamedKeys
from app.caching.memoize import EXTENSION, NEVER_EXPIRES, BoundMemoized, Memoized
from app.caching.policy import always
from app.caching.reports import Counters, EntryPage, EntryReport, Report
from app.caching.stock import NullEngine, StockEngine
from app.caching.values import ValueCodec

P = ParamSpec("P")
R = TypeVar("R")
AnyMemoized = Memoized[P, Any] | BoundMemoized[Any]


class Cache(flask_caching.Cache):
    """Flask-Caching's `Cache` with readable keys, no result older than an acknowledged change, and reports.

    The guarantee about acknowledged changes holds with `CACHE_TYPE = "app.caching.LeaseCache"`. All methods work with
    any other backend too, but without this guarantee.
    """

    def init_app(self, app: Flask, config: dict[str, Any] | None = None) -> None:
        """Set up the cache for `app`. Raises ValueError or TypeError for invalid settings."""
        super().init_app(app, config)
        app.extensions.setdefault(EXTENSION, {})[self] = _engine_for(app, app.extensions["cache"][self])

    @property
    def engine(self) -> Engine:
        """The engine of the current application or, without one, of the last application that was set up."""
        engine: Engine = (current_app or self.app).extensions[EXTENSION][self]
        return engine

    @property
    def protocol(self) -> CacheProtocol:
        """The protocol that the memoized functions of the current application use."""
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

        The result must depend only on the arguments, because they are the key. If the function also read, for example,
        the current user from the request, one user could receive the result of another.

        Args:
            timeout: seconds; None means CACHE_DEFAULT_TIMEOUT. Results cannot be stored without a time limit.
            make_name: converts `module.function` to the name in the key.
            unless: returns True to bypass the cache. Receives the function and the arguments, if it takes any.
            forced_update: returns True to compute a new result. Receives the arguments, if it takes any.
            is_stale: receives a stored result, and the arguments if it takes them; returns True to compute a new one.
            response_filter: receives a result and returns whether to store it.
            hash_method: replaces the arguments in the key by a digest.
            cache_none: whether to store a result of None.
            source_check: whether the key depends on the source of the function; None means CACHE_SOURCE_CHECK.
            args_to_ignore: the names of arguments that are not part of the key.
            key: makes the whole key (without CACHE_KEY_PREFIX) from the arguments. Faster than the default keys.
            codec: converts results to bytes; the default is JSON with the types of `app.caching.values`.
            failing_with: the exception type for "no caller can compute this value now"; see `Policy`.
            worth_waiting: returns whether the computation of another caller may still succeed; see `Policy`.

        Raises:
            TypeError, ValueError: an argument is invalid, or conflicts with another; the message names it.

        """
        if callable(timeout):
            raise TypeError("memoize must be called with parentheses: @cache.memoize()")
        if timeout is not None and seconds_of(timeout, 0) == 0:
            raise ValueError(NEVER_EXPIRES)
        options = {"make_name": make_name, "hash_method": hash_method, "source_check": source_check,
                   "args_to_ignore": args_to_ignore}  # fmt: skip
        given = [name for name, value in options.items() if value is not None]
        if key is not None and given:
            raise TypeError(f"`key` makes the whole key, so it cannot be combined with {', '.join(given)}")
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
        """Delete the result of `f` for exactly these arguments or, without arguments, all results of `f`.

        With arguments, this takes one round trip and never raises for Redis errors: a delete that cannot be delivered
        is owed. Inside `writing` it also ends the write. To delete all results of a method for one object, pass the
        bound method as `f`.

        Raises:
            TypeError: `f` is not memoized, or it has a `key` function and the arguments are missing.
            CacheUnavailableError: Redis could not list or delete all results of `f`.

        """
        memoized, instance = _unbound(f)
        if instance and args and args[0] is instance[0]:
            args = args[1:]
        prefix = None if args or kwargs else memoized.common_prefix(*instance)
        engine = self._engine_with_policy(memoized)
        if prefix is None:
            open_writes.end(engine.protocol, engine.key_prefix + memoized.make_cache_key(*instance, *args, **kwargs))
            return
        open_writes.end_all(engine.protocol, engine.key_prefix + prefix)
        engine.delete_prefix(prefix)

    def delete_memoized_verhash(self, f: AnyMemoized[P], *args: Any) -> None:  # type: ignore[override]  # noqa: ANN401, ARG002 - Flask-Caching's signature
        """Delete all results of `f`, like `delete_memoized(f)`: this class uses no version hashes."""
        self.delete_memoized(f)

    def writing(self, f: AnyMemoized[P], *args: Any, **kwargs: Any) -> AbstractContextManager[None]:  # noqa: ANN401 - same
        """Announce a change to the data that `f(*args)` is computed from. Inside the block no reader stores a result.

        Inside the block, once the outcome of the change is known, call `f.replace` with the result that the change
        left, or `delete_memoized` if the change failed or the result is not known. If the outcome is unknown, leave the
        block without these calls: the change may still happen, so all readers compute until the writer's deadline.
        """
        memoized, instance = _unbound(f)
        engine = self._engine_with_policy(memoized)
        key = engine.key_prefix + memoized.make_cache_key(*instance, *args, **kwargs)
        return open_writes.writing(engine.protocol, key)

    def evaluate(self, script: bytes, key: str, *arguments: int) -> Any:  # noqa: ANN401 - a Redis reply
        """Run a Lua script on one key (with the prefix) in one round trip. None if the backend cannot run scripts.

        The script uses the cache's connections, the timeout of a reader and the circuit breaker. While the breaker is
        open, the call fails at once. Raises CacheUnavailableError.
        """
        return self.engine.evaluate(script, key, *arguments)

    @property
    def stores(self) -> bool:
        """False if the backend stores nothing (NullCache)."""
        return self.engine.stores

    def report(self) -> Report:
        """Report the health of the cache. Redis errors are part of the report and are not raised. See `Report`."""
        return self.engine.report()

    def ping(self) -> None:
        """Check that the server answers. Raises CacheUnavailableError with the reason if it does not."""
        self.engine.ping()

    def counters(self) -> Counters | None:
        """Return the event counters of all workers; None if the backend has none. Sends nothing to the server."""
        return self.engine.counters()

    def entry(self, key: str) -> EntryReport | None:
        """Return the state of the entry under `key` (without the prefix); None if it is unknown."""
        return self.engine.entry(key)

    def sample(self, limit: int) -> list[tuple[str, EntryReport]]:
        """Return up to `limit` entries with their full keys."""
        return self.engine.sample(limit)

    def page(self, cursor: int, limit: int) -> EntryPage | None:
        """Return about `limit` entries from `cursor` on (0 for the first); None if they cannot be listed now."""
        return self.engine.page(cursor, limit)

    def size(self) -> int | None:
        """Return the number of entries; None if the backend cannot count them. Raises CacheUnavailableError."""
        return self.engine.size()

    def drop(self, key: str, *, force: bool = False) -> int:
        """Delete the entry under `key`; return how many were deleted. Unlike `delete`, raises CacheUnavailableError.

        An entry with writers in flight is deleted only with `force`; see `LeaseProtocol.drop`.
        """
        return self.engine.drop(key, force=force)

    def flush(self, *, force: bool = False) -> int | None:
        """Delete all entries like `drop`; return how many were deleted, None if unknown. Raises as `drop` does."""
        return self.engine.flush(force=force)

    def _engine_with_policy(self, memoized: Memoized[..., Any]) -> Engine:
        """Return the engine, with the policy of `memoized` registered."""
        engine = self.engine
        if memoized not in engine.policies:
            memoized.policy(engine)
        return engine


def _engine_for(app: Flask, backend: BaseCache) -> Engine:
    if isinstance(backend, LeaseCache):
        return LeaseEngine(app, backend)
    return NullEngine(app, backend) if isinstance(backend, NullCache) else StockEngine(app, backend)


def _unbound(f: object) -> tuple[Memoized[..., Any], tuple[object, ...]]:
    """Return the memoized function of `f`, and the object that it is bound to, if any."""
    if isinstance(f, types.MethodType):  # a classmethod, from Python 3.13
        f = BoundMemoized(f.__func__, f.__self__) if isinstance(f.__func__, Memoized) else f
    if isinstance(f, BoundMemoized):
        return f.memoized, (f.__self__,)
    if isinstance(f, Memoized):
        return f, ()
    raise TypeError("not a function that was decorated with `Cache.memoize` of app.caching")
