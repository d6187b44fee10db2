"""Tests of invalid uses of `memoize`: each raises one clear error, when decorating or at the first call."""

import datetime as dt
from typing import Any

import pytest

from app.caching import Cache
from app.caching.protocol import LeaseProtocol
from tests.caching.applications import application


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"timeout": 0}, "above 0"),
        ({"timeout": dt.timedelta(0)}, "above 0"),
        ({"timeout": -1}, "negative"),
        ({"unless": True}, "unless must be a function"),
        ({"forced_update": 1}, "forced_update must be a function"),
        ({"is_stale": "x"}, "is_stale must be a function"),
        ({"response_filter": 1}, "response_filter must be a function"),
        ({"hash_method": len}, "hash_method must be a constructor"),
        ({"make_name": "x"}, "make_name must be a function"),
        ({"args_to_ignore": ["colour"]}, "does not take"),
        ({"args_to_ignore": "number"}, "must be a list"),
        ({"key": str, "make_name": str}, "cannot be combined with make_name"),
        ({"key": str, "args_to_ignore": ["number"]}, "cannot be combined with args_to_ignore"),
    ],
)
def test_invalid_argument_is_refused_when_decorating(cache: Cache, arguments: dict[str, Any], words: str) -> None:
    """The error names the argument or the limit."""

    def double(number: int) -> int:
        return 2 * number

    with pytest.raises((TypeError, ValueError), match=words):
        cache.memoize(**arguments)(double)


def test_memoize_without_parentheses_is_refused(cache: Cache) -> None:
    """The error shows the correct form."""
    with pytest.raises(TypeError, match=r"@cache\.memoize\(\)"):
        cache.memoize(len)  # type: ignore[arg-type]


def test_default_timeout_without_expiry_is_refused_at_the_first_call(protocol: LeaseProtocol) -> None:
    """A default of no expiry is valid for `set`, but not for `memoize`."""
    app, cache = application(options={"protocol": protocol}, default_timeout=0)

    @cache.memoize()
    def one() -> int:
        return 1

    with app.app_context(), pytest.raises(ValueError, match="above 0"):
        one()
