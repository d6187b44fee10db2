"""When a call of a memoized function uses the cache, and which results are stored."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flask_caching.utils import wants_args, wants_extra_args

from app.caching.codec import Codec

logger = logging.getLogger(__name__)

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """When to read and when to fill the cache: the arguments of `Cache.memoize` with the same names."""

    unless: Callable[..., bool] | None = None
    forced_update: Callable[..., bool] | None = None
    is_stale: Callable[..., bool] | None = None
    response_filter: Callable[..., Any] | None = None
    cache_none: bool = False

    def __post_init__(self) -> None:
        """Validate the arguments. Raises TypeError for one that is not callable."""
        for name in ("unless", "forced_update", "is_stale", "response_filter"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise TypeError(f"{name} must be a function")

    @property
    def depend_on_call(self) -> bool:
        """Whether a condition must be evaluated in each call."""
        return any((self.unless, self.forced_update, self.is_stale))


class FilteringCodec(Generic[R]):
    """A codec that rejects the results excluded by `response_filter` and `cache_none`.

    A result that the inner codec cannot encode is logged once, with `name`, the name of the function. The function then
    runs in each call.
    """

    def __init__(self, codec: Codec[R], conditions: Conditions, name: str) -> None:
        """Wrap `codec`."""
        self._codec, self._conditions, self._name, self._warned = codec, conditions, name, False
        self.decode = codec.decode  # not wrapped: every hit calls it

    def encode(self, value: R) -> bytes:
        """Return the payload. Raises ValueError or TypeError for a result that must not or cannot be stored."""
        accepts = self._conditions.response_filter
        if (value is None and not self._conditions.cache_none) or (accepts is not None and not accepts(value)):
            raise ValueError("excluded by response_filter or cache_none")
        try:
            return self._codec.encode(value)
        except (TypeError, ValueError) as error:
            if not self._warned:
                self._warned = True
                logger.warning("a result of %s cannot be cached: %s", self._name, error)
            raise


def is_true(condition: Callable[..., bool] | None, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - the call's arguments
    """Return whether `condition` returns True. It receives the arguments of the call, if it takes any."""
    return condition is not None and (condition(*args, **kwargs) if wants_args(condition) else condition()) is True


def finds_stale(is_stale: Callable[..., bool], value: object, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - same
    """Return whether `is_stale` returns True for a stored result. It receives the arguments, if it takes them."""
    return (is_stale(value, *args, **kwargs) if wants_extra_args(is_stale) else is_stale(value)) is True
