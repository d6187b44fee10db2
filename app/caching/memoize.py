"""`memoize` and `delete_memoized` as Flask-Caching users know them, on readable keys and by the lease protocol."""

import functools
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, ParamSpec, TypeVar

import flask_caching
from flask import current_app
from flask_caching.backends.base import BaseCache

from app.caching.backend import LeaseBackend
from app.caching.codec import Codec, JsonCodec, Policy
from app.caching.null import NullProtocol
from app.caching.protocol import LeaseProtocol
from app.caching.states import Answer

P = ParamSpec("P")
R = TypeVar("R")

_NULL = NullProtocol()
# Token of each write this context has begun, by entry, so that `delete_memoized` ends the right writer.
_writers: ContextVar[dict[str, str]] = ContextVar("writers")


class Memoized(Generic[P, R]):
    """A function whose results live in the cache under a key made of its arguments. Call it as the function itself."""

    def __init__(
        self, cache: "Cache", function: Callable[P, R], *, key: Callable[..., str], policy: Callable[[int], Policy[R]]
    ) -> None:
        """Wrap `function`; `policy` makes the policy from the backend's default timeout. See `Cache.memoize`."""
        functools.update_wrapper(self, function)
        self.uncached = function
        self._cache, self._key, self._policy = cache, key, policy

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the function's result, from the cache where it has one."""
        return self.lookup(*args, **kwargs).value

    def lookup(self, *args: P.args, **kwargs: P.kwargs) -> Answer[R]:
        """Return the result together with where it came from and how long it will live."""
        backend = self._cache.cache
        key = getattr(backend, "key_prefix", "") + self._key(*args, **kwargs)
        policy = self._policy(backend.default_timeout)
        return protocol_of(backend).fetch(key, lambda: self.uncached(*args, **kwargs), policy)

    def make_cache_key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the full key in Redis, prefix included. Raises TypeError for arguments the key cannot be made of."""
        prefix: str = getattr(self._cache.cache, "key_prefix", "")
        return prefix + self._key(*args, **kwargs)


class Cache(flask_caching.Cache):
    """Flask-Caching's `Cache`, whose memoized functions have readable keys and go through the lease protocol."""

    @property
    def cache(self) -> BaseCache:  # type: ignore[override]  # Flask-Caching says SimpleCache and means any
        """The backend of the current application, or of the one this was made for."""
        try:
            app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - documented, if underscored
        except RuntimeError:
            app = self.app
        backend: BaseCache = app.extensions["cache"][self]
        return backend

    @property
    def protocol(self) -> LeaseProtocol | NullProtocol:
        """The protocol of the current application's backend: its null twin where that backend is not ours."""
        return protocol_of(self.cache)

    def memoize(  # type: ignore[override]  # no version keys: they cost round trips and lose deletes
        self,
        timeout: int | None = None,
        *,
        key: Callable[..., str] | None = None,
        codec: Codec[Any] | None = None,
        failing_with: type[Exception] | None = None,
    ) -> Callable[[Callable[P, R]], Memoized[P, R]]:
        """Memoize the decorated function for `timeout` seconds.

        The arguments must be the whole key: a function that reads anything else of the request would show one user
        another's result.

        Args:
            timeout: seconds; None takes CACHE_DEFAULT_TIMEOUT.
            key: makes the key (without CACHE_KEY_PREFIX) from the call's arguments; by default the function's name
                and its arguments as JSON.
            codec: how results become bytes; JSON by default.
            failing_with: the exception, made without arguments, that means nobody could compute it now; see `Policy`.

        """

        @functools.cache
        def policy(default_timeout: int) -> Policy[Any]:
            ttl = default_timeout if timeout is None else timeout
            return Policy(codec=codec or JsonCodec(), ttl=ttl, failing_with=failing_with)

        def decorate(function: Callable[P, R]) -> Memoized[P, R]:
            return Memoized(self, function, key=key or _named_key(function), policy=policy)

        return decorate

    def delete_memoized(self, f: Memoized[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:  # type: ignore[override]
        """Drop the result memoized for exactly these arguments: one round trip; never raises for Redis trouble.

        Inside `writing` it also ends that write. Raises TypeError when arguments are missing: dropping everybody's
        results is `clear`.
        """
        key = f.make_cache_key(*args, **kwargs)
        self.protocol.end(key, _writers.get({}).get(key, ""))

    @contextmanager
    def writing(self, f: Memoized[P, Any], *args: P.args, **kwargs: P.kwargs) -> Iterator[None]:
        """Announce that what `f(*args)` is computed from is about to change; inside, nothing is stored for it.

        Call `delete_memoized` inside when the outcome is known, whatever it is. Leave without it when the outcome is
        unknown: the announcement then stands until its deadline, because the change may still happen.
        """
        key = f.make_cache_key(*args, **kwargs)
        reset = _writers.set({**_writers.get({}), key: self.protocol.begin(key)})
        try:
            yield
        finally:
            _writers.reset(reset)


def protocol_of(backend: BaseCache) -> LeaseProtocol | NullProtocol:
    """Return the protocol behind a backend: its null twin where that backend is not ours."""
    return backend.protocol if isinstance(backend, LeaseBackend) else _NULL


def _named_key(function: Callable[P, R]) -> Callable[P, str]:
    """Return a key maker for any function of JSON arguments; `f(1)` and `f(a=1)` are one key, `f("1")` is another."""
    signature = inspect.signature(function)

    def key(*args: P.args, **kwargs: P.kwargs) -> str:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return f"{function.__module__}.{function.__qualname__}:{json.dumps(list(bound.arguments.values()))}"

    return key
