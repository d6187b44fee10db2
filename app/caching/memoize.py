"""Memoized functions: called like the original function, with results from the cache, keyed by the arguments."""

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, overload

from flask import current_app
from flask_caching.signals import cache_memoize_hit, cache_memoize_miss
from flask_caching.utils import join_generator

from app.caching import open_writes
from app.caching.codec import Codec
from app.caching.conditions import Conditions, FilteringCodec, finds_stale, is_true
from app.caching.configuration import Timeout, seconds_of
from app.caching.keys import NamedKeys
from app.caching.policy import Policy
from app.caching.states import Answer, Outcome

if TYPE_CHECKING:
    from app.caching.engine import Engine
    from app.caching.extension import Cache

P = ParamSpec("P")
R = TypeVar("R")

EXTENSION = "lease_cache"
"""`app.extensions[EXTENSION]` holds the engines of an application, by `Cache`."""


class Memoized(Generic[P, R]):
    """A function whose results are cached. `Cache.memoize` returns it; call it like the original function.

    `uncached` is the original function, `cache` the `Cache` that memoized it. `cache_timeout` may be changed before the
    first call.
    """

    def __init__(  # noqa: PLR0913 - the arguments of `Cache.memoize`
        self,
        cache: "Cache",
        function: Callable[P, R],
        *,
        timeout: Timeout,
        key: Callable[..., str],
        codec: Codec[R],
        failing_with: type[Exception] | None,
        worth_waiting: Callable[[], bool],
        conditions: Conditions,
    ) -> None:
        """Wrap `function`; see `Cache.memoize`."""
        functools.update_wrapper(self, function)
        self.uncached: Callable[P, R] = function
        self.cache_timeout = timeout
        self.cache, self._key, self._failing_with, self._conditions = cache, key, failing_with, conditions
        self._worth_waiting = worth_waiting
        self._codec = FilteringCodec(codec, conditions, function.__qualname__)
        self._has_call_conditions = conditions.depend_on_call

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result of the function, from the cache if it is stored there."""
        return self.lookup(*args, **kwargs).value

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> "BoundMemoized[R]": ...
    def __get__(self, instance: object, owner: type | None = None) -> "Self | BoundMemoized[R]":
        """Bind a memoized method to its instance, or to its class."""
        return self if instance is None else BoundMemoized(self, instance)

    def lookup(self, *args: P.args, **kwargs: P.kwargs) -> Answer[R]:
        """Return the result together with its outcome and its remaining lifetime."""
        cache = self.cache
        try:
            engine = current_app.extensions[EXTENSION][cache]
        except RuntimeError:  # there is no application context
            engine = cache.engine
        if self._has_call_conditions or cache.enable_signals:
            return self._lookup_with_conditions(engine, *args, **kwargs)
        return engine.protocol.fetch(  # type: ignore[no-any-return]  # `extensions` holds anything
            engine.key_prefix + self._key(*args, **kwargs),
            lambda: self._compute(engine, *args, **kwargs),
            engine.policies.get(self) or self.policy(engine),
        )

    def make_cache_key(self, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - the function may come first
        """Return the key of a call without CACHE_KEY_PREFIX, as `Cache.get` and `Cache.delete` take it.

        As in Flask-Caching, the function itself may precede its arguments.

        Raises:
            TypeError: the arguments do not fit the function, or one cannot be part of a key.

        """
        return self._key(*(args[1:] if args and args[0] is self.uncached else args), **kwargs)

    def entry_name(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the full key of a call with CACHE_KEY_PREFIX, as it is stored in Redis."""
        return self.cache.engine.full_key(self._key(*args, **kwargs))

    def common_prefix(self, *instance: object) -> str | None:
        """Return the common prefix of the keys of all calls, or of all calls of the method of `instance`.

        Return None if all calls have the same key.

        Raises:
            TypeError: a `key` function makes the keys, so the prefix is unknown.

        """
        if not isinstance(self._key, NamedKeys):
            if inspect.signature(self._key).parameters:
                raise TypeError(
                    f"{self.uncached.__qualname__} has keys of its own: delete_memoized needs the call's arguments"
                )
            return None
        return self._key.common_prefix(*instance) if self._key.takes_arguments(*instance) else None

    def delete_memoized(self) -> None:
        """Delete all results of this function."""
        self.cache.delete_memoized(self)

    def replace(self, value: R, version: int, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Store `value`, the result that a change left, for the call with these arguments. Ends the write of `writing`.

        `version` (an int above 0) tells the results of several changes apart: the one with the highest version stays.
        The data source must number its changes in the order in which they take effect, so that equal versions have
        equal results. The lifetime of the result counts from the begin of the write.

        The entry is deleted instead, as by `delete_memoized`, outside of `writing`, with a backend other than
        LeaseCache, and for a value or a version that cannot be stored. Takes one round trip and never raises for Redis
        errors.
        """
        engine = self.cache.engine
        policy = engine.policies.get(self) or self.policy(engine)
        key = engine.key_prefix + self._key(*args, **kwargs)
        open_writes.end(engine.protocol, key, policy.replacement(value, version))

    def policy(self, engine: "Engine") -> Policy[R]:
        """Return the policy for the results in `engine`. Raises ValueError for a timeout of 0 or less."""
        seconds = seconds_of(self.cache_timeout, engine.backend.default_timeout)
        if seconds == 0:
            raise ValueError(NEVER_EXPIRES)
        policy = Policy(
            codec=self._codec, ttl=seconds, failing_with=self._failing_with, worth_waiting=self._worth_waiting
        )
        return engine.register(self, policy)

    def _lookup_with_conditions(self, engine: "Engine", *args: P.args, **kwargs: P.kwargs) -> Answer[R]:
        conditions = self._conditions
        if is_true(conditions.unless, self.uncached, *args, **kwargs):
            return Answer(self._compute(engine, *args, **kwargs), Outcome.BYPASS, detail="unless")
        key, policy = engine.key_prefix + self._key(*args, **kwargs), engine.policies.get(self) or self.policy(engine)
        if is_true(conditions.forced_update, *args, **kwargs):
            engine.protocol.end(key)
        answer = engine.protocol.fetch(key, lambda: self._compute(engine, *args, **kwargs), policy)
        hit = answer.outcome in {Outcome.HIT, Outcome.COLLAPSED}
        if hit and conditions.is_stale and finds_stale(conditions.is_stale, answer.value, *args, **kwargs):
            engine.protocol.end(key)
            answer, hit = engine.protocol.fetch(key, lambda: self._compute(engine, *args, **kwargs), policy), False
        if self.cache.enable_signals:
            signal = cache_memoize_hit if hit else cache_memoize_miss
            signal.send(cache=self.cache, cache_key=key, f=self.uncached, args=args, kwargs=kwargs)
        return answer

    def _compute(self, engine: "Engine", *args: P.args, **kwargs: P.kwargs) -> R:
        result = engine.app.ensure_sync(self.uncached)(*args, **kwargs)
        return join_generator(result) if inspect.isgenerator(result) else result  # type: ignore[no-any-return]


class BoundMemoized(Generic[R]):
    """A memoized method bound to one object; otherwise like `Memoized`."""

    def __init__(self, memoized: Memoized[..., R], instance: object) -> None:
        """Bind the method to `instance`, which precedes the arguments of each call."""
        functools.update_wrapper(self, memoized)
        self.memoized, self.__self__ = memoized, instance

    def __call__(self, *args: Any, **kwargs: Any) -> R:  # noqa: ANN401 - the method's arguments
        """Return the result of the method, from the cache if it is stored there."""
        return self.memoized(self.__self__, *args, **kwargs)

    def lookup(self, *args: Any, **kwargs: Any) -> Answer[R]:  # noqa: ANN401 - same
        """Return the result together with its outcome and its remaining lifetime."""
        return self.memoized.lookup(self.__self__, *args, **kwargs)

    def make_cache_key(self, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - same
        """Return the key of a call; see `Memoized.make_cache_key`."""
        if args and args[0] is self.memoized.uncached:
            return self.memoized.make_cache_key(*args, **kwargs)
        return self.memoized.make_cache_key(self.__self__, *args, **kwargs)

    def replace(self, value: R, version: int, /, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - same
        """Store the result that a change left; see `Memoized.replace`."""
        self.memoized.replace(value, version, self.__self__, *args, **kwargs)

    def delete_memoized(self) -> None:
        """Delete all results of this method for every object, as in Flask-Caching. See `Cache.delete_memoized`."""
        self.memoized.delete_memoized()


NEVER_EXPIRES = (
    "memoize needs a timeout above 0: a result that never expires could not be distinguished from a planted value, "
    "and it would outlive every owed delete. Set a number of seconds, such as 86400."
)
