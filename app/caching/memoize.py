"""Memoized functions: called as the function itself, answered from the cache under a key made of the arguments."""

import functools
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, Self, TypeVar, overload

from flask import Flask, current_app
from flask_caching.signals import cache_memoize_hit, cache_memoize_miss
from flask_caching.utils import join_generator, wants_args, wants_extra_args

from app.caching.codec import Codec, Policy
from app.caching.keys import NamedKeys
from app.caching.states import Answer, Outcome
from app.caching.timeouts import Timeout, seconds_of

if TYPE_CHECKING:
    from app.caching.engine import Engine
    from app.caching.extension import Cache

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# Werkzeug documents this method of LocalProxy: one Python call, where an attribute of the proxy takes three.
_current_app: Final[Callable[[], Flask]] = current_app._get_current_object  # type: ignore[attr-defined]  # noqa: SLF001

EXTENSION = "lease_cache"
"""Where an application keeps its engines, by `Cache`: `app.extensions[EXTENSION]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """When to ask and to fill the cache: the arguments of `Cache.memoize` of the same names."""

    unless: Callable[..., bool] | None = None
    forced_update: Callable[..., bool] | None = None
    is_stale: Callable[..., bool] | None = None
    response_filter: Callable[..., Any] | None = None
    cache_none: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be asked. Raises TypeError."""
        for name in ("unless", "forced_update", "is_stale", "response_filter"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise TypeError(f"{name} must be a function")

    @property
    def depend_on_call(self) -> bool:
        """Say whether there is something to ask in each call."""
        return any((self.unless, self.forced_update, self.is_stale))


class _Filtered(Generic[R]):
    """A codec that refuses the results which `response_filter` and `cache_none` keep out of the cache.

    A result that cannot be stored at all is logged once: the function named `name` is then computed in each call.
    """

    def __init__(self, codec: Codec[R], conditions: Conditions, name: str) -> None:
        self._codec, self._conditions, self._name, self._said = codec, conditions, name, False
        self.decode = codec.decode  # as it is: this is the path of every hit

    def encode(self, value: R) -> bytes:
        wanted = self._conditions.response_filter
        if (value is None and not self._conditions.cache_none) or (wanted is not None and not wanted(value)):
            raise ValueError("not to be stored")
        try:
            return self._codec.encode(value)
        except (TypeError, ValueError) as error:
            if not self._said:
                self._said = True
                logger.warning("a result of %s cannot be cached: %s", self._name, error)
            raise


class Memoized(Generic[P, R]):
    """A function whose results live in the cache. Call it as the function itself; `Cache.memoize` makes it.

    `uncached` is the function, `cache` what it was memoized with. `cache_timeout` may be changed before the first call.
    """

    def __init__(  # noqa: PLR0913 - what `Cache.memoize` was told
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
        self._codec = _Filtered(codec, conditions, function.__qualname__)
        self._asks = conditions.depend_on_call

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the function's result, from the cache where it has one."""
        return self.lookup(*args, **kwargs).value

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> "BoundMemoized[R]": ...
    def __get__(self, instance: object, owner: type | None = None) -> "Self | BoundMemoized[R]":
        """Bind a memoized method to its instance, or to its class."""
        return self if instance is None else BoundMemoized(self, instance)

    def lookup(self, *args: P.args, **kwargs: P.kwargs) -> Answer[R]:
        """Return the result together with where it came from and how long it will live."""
        cache = self.cache
        try:
            engine = _current_app().extensions[EXTENSION][cache]
        except RuntimeError:  # outside of any application's context
            engine = cache.engine
        if self._asks or cache.enable_signals:
            return self._ask_and_look_up(engine, *args, **kwargs)
        return engine.protocol.fetch(  # type: ignore[no-any-return]  # `extensions` holds anything
            engine.key_prefix + self._key(*args, **kwargs),
            lambda: self._compute(engine, *args, **kwargs),
            engine.policies.get(self) or self.policy(engine),
        )

    def make_cache_key(self, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - the function may come first
        """Return the key of a call, as `Cache.get` and `Cache.delete` take it: without CACHE_KEY_PREFIX.

        As in Flask-Caching, the function itself may be given before its arguments.

        Raises:
            TypeError: the arguments do not fit the function, or one cannot be part of a key.

        """
        return self._key(*(args[1:] if args and args[0] is self.uncached else args), **kwargs)

    def entry_name(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return the full key of a call, as operators see it in the store: with CACHE_KEY_PREFIX."""
        return self.cache.engine.full_key(self._key(*args, **kwargs))

    def start_of_keys(self, *instance: object) -> str | None:
        """Return what the keys of all calls (of a method: of this instance) start with; None where there is one key.

        Raises:
            TypeError: the keys are made by a `key` function, which does not tell.

        """
        if not isinstance(self._key, NamedKeys):
            if inspect.signature(self._key).parameters:
                raise TypeError(
                    f"{self.uncached.__qualname__} has keys of its own: delete_memoized needs the call's arguments"
                )
            return None
        return self._key.start(*instance) if self._key.is_shared(*instance) else None

    def delete_memoized(self) -> None:
        """Drop all results of this function."""
        self.cache.delete_memoized(self)

    def policy(self, engine: "Engine") -> Policy[R]:
        """Return how `engine` keeps the results. Raises ValueError for a timeout that is not above zero."""
        seconds = seconds_of(self.cache_timeout, engine.backend.default_timeout)
        if seconds == 0:
            raise ValueError(NEVER_EXPIRES)
        policy = Policy(
            codec=self._codec, ttl=seconds, failing_with=self._failing_with, worth_waiting=self._worth_waiting
        )
        return engine.admit(self, policy)

    def _ask_and_look_up(self, engine: "Engine", *args: P.args, **kwargs: P.kwargs) -> Answer[R]:
        asked = self._conditions
        if _says_yes(asked.unless, self.uncached, *args, **kwargs):
            return Answer(self._compute(engine, *args, **kwargs), Outcome.BYPASS, detail="unless")
        key, policy = engine.key_prefix + self._key(*args, **kwargs), engine.policies.get(self) or self.policy(engine)
        if _says_yes(asked.forced_update, *args, **kwargs):
            engine.protocol.end(key)
        answer = engine.protocol.fetch(key, lambda: self._compute(engine, *args, **kwargs), policy)
        hit = answer.outcome in {Outcome.HIT, Outcome.COLLAPSED}
        if hit and asked.is_stale and _finds_stale(asked.is_stale, answer.value, *args, **kwargs):
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
    """A memoized method of one object; otherwise as `Memoized`."""

    def __init__(self, memoized: Memoized[..., R], instance: object) -> None:
        """Put `instance` before the arguments of each call."""
        functools.update_wrapper(self, memoized)
        self.memoized, self.__self__ = memoized, instance

    def __call__(self, *args: Any, **kwargs: Any) -> R:  # noqa: ANN401 - the method's arguments
        """Return the method's result, from the cache where it has one."""
        return self.memoized(self.__self__, *args, **kwargs)

    def lookup(self, *args: Any, **kwargs: Any) -> Answer[R]:  # noqa: ANN401 - same
        """Return the result together with where it came from and how long it will live."""
        return self.memoized.lookup(self.__self__, *args, **kwargs)

    def make_cache_key(self, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - same
        """Return the key of a call; see `Memoized.make_cache_key`."""
        if args and args[0] is self.memoized.uncached:
            return self.memoized.make_cache_key(*args, **kwargs)
        return self.memoized.make_cache_key(self.__self__, *args, **kwargs)

    def delete_memoized(self) -> None:
        """Drop all results of this method, of every object: as in Flask-Caching. See `Cache.delete_memoized`."""
        self.memoized.delete_memoized()


NEVER_EXPIRES = (
    "memoize needs a timeout above 0: a result that never expires could not be told from one that somebody planted, "
    "and would outlive every invalidation that is owed. Give a number of seconds, such as 86400."
)


def _says_yes(question: Callable[..., bool] | None, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - the call's arguments
    return question is not None and (question(*args, **kwargs) if wants_args(question) else question()) is True


def _finds_stale(is_stale: Callable[..., bool], value: object, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - same
    return (is_stale(value, *args, **kwargs) if wants_extra_args(is_stale) else is_stale(value)) is True
