"""Keys made of a function's name and a call's arguments. They are readable and the same in every process."""

import datetime as dt
import hashlib
import inspect
import json
import os
import weakref
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from flask_caching.utils import get_function_parameters

from app.caching.codec import SCALARS
from app.caching.identifiers import new_identifier

HashMethod = Callable[[bytes], Any]

_BY_REPR: Final = frozenset({bytes, Decimal, UUID, dt.date, dt.datetime, dt.time, dt.timedelta})
_SOURCE_DIGITS: Final = 16


class NamedKeys:
    """Makes keys of the form `module.function:[arguments]` for the calls of one function.

    `f(1)` and `f(a=1)` have the same key; `f("1")` has a different one. The key of a method contains the instance
    before the arguments: `module.Class.method:"instance":[arguments]`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        make_name: Callable[[str], str] | None = None,
        hash_method: HashMethod | None = None,
        source_check: Callable[[], bool] = bool,
        args_to_ignore: Sequence[str] = (),
    ) -> None:
        """Make keys for `function`; the options are those of `Cache.memoize`. Raises TypeError for a wrong option."""
        self._function, self._make_name, self._hash, self._source_check = function, make_name, hash_method, source_check
        _check(make_name, hash_method, args_to_ignore)
        self._ignored = frozenset(args_to_ignore)
        parameters = get_function_parameters(function)
        self._signature = inspect.Signature(parameters)
        names = [parameter.name for parameter in parameters]
        self._instance = names[0] if names and names[0] in {"self", "cls"} else None
        rest = [parameter for parameter in parameters if parameter.kind is inspect.Parameter.VAR_KEYWORD]
        self._rest = rest[0].name if rest else None
        unknown = self._ignored - set(names)
        if unknown and not rest:
            raise TypeError(f"args_to_ignore names {sorted(unknown)}, which {function.__qualname__} does not take")

    def __call__(self, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - any arguments
        """Return the key of one call.

        Raises:
            TypeError: the arguments do not fit the function, or one is of a type that cannot be part of a key.

        """
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = {name: value for name, value in bound.arguments.items() if name not in self._ignored}
        prefix = self.common_prefix(*(arguments.pop(self._instance),) if self._instance in arguments else ())
        if self._ignored and self._rest:
            rest = arguments[self._rest]
            arguments[self._rest] = {name: value for name, value in rest.items() if name not in self._ignored}
        text = json.dumps([_canonical(value) for value in arguments.values()], separators=(",", ":"))
        return prefix + (text if self._hash is None else self._hash(text.encode()).hexdigest())

    def common_prefix(self, *instance: object) -> str:
        """Return the common prefix of the keys of all calls, or of all calls of this method on `instance`."""
        function = self._function
        name = f"{function.__module__}.{function.__qualname__}"
        if self._make_name:
            name = self._make_name(name).replace(":", ".")  # a colon marks the end of the name
        if self._source_check():
            digest = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()
            name = f"{name}@{digest[:_SOURCE_DIGITS]}"
        has_instance = instance and self._instance not in self._ignored
        return f"{name}:{json.dumps(_identity(instance[0]))}:" if has_instance else f"{name}:"

    def takes_arguments(self, *instance: object) -> bool:
        """Return whether the function has parameters other than `instance`, so that its calls have several keys."""
        return len(self._signature.parameters) > len(instance)


def _check(make_name: object, hash_method: HashMethod | None, args_to_ignore: Sequence[str]) -> None:
    if make_name is not None and not callable(make_name):
        raise TypeError("make_name must be a function")
    if hash_method is not None and not hasattr(hash_method(b""), "hexdigest"):
        raise TypeError("hash_method must be a constructor such as hashlib.sha256")
    if isinstance(args_to_ignore, str):
        raise TypeError("args_to_ignore must be a list of names")


def _canonical(value: Any) -> Any:  # noqa: ANN401, PLR0911 - one line for each kind of argument
    """Return a JSON value. Two arguments give equal JSON only if they are equal and have the same type."""
    kind = type(value)
    if kind in SCALARS:
        return value
    if kind is list:
        return [_canonical(item) for item in value]
    if kind is tuple:
        return {"tuple": [_canonical(item) for item in value]}
    if kind is dict:
        return {"dict": sorted(([_canonical(key), _canonical(item)] for key, item in value.items()), key=json.dumps)}
    if kind in {set, frozenset}:
        return {"set": sorted(map(_canonical, value), key=json.dumps)}
    if kind in _BY_REPR:
        return {kind.__name__: repr(value)}
    if isinstance(value, Enum):
        return {_qualified_name(kind): repr(value)}
    if isinstance(value, type):
        return {"type": _qualified_name(value)}
    if hasattr(value, "__caching_id__"):
        return {_qualified_name(kind): str(value.__caching_id__())}
    raise TypeError(
        f"an argument of type {_qualified_name(kind)} cannot be part of a cache key: name it in args_to_ignore, "
        "or give its class a method __caching_id__ that returns a unique id for each object"
    )


def _identity(instance: Any) -> str:  # noqa: ANN401 - an object whose method is memoized
    """Return a text that identifies `instance`: from `__caching_id__`, from a `__repr__` of its class, or a token."""
    if isinstance(instance, type):
        return _qualified_name(instance)
    kind = type(instance)
    if hasattr(instance, "__caching_id__"):
        return f"{_qualified_name(kind)} {instance.__caching_id__()}"
    if any("__repr__" in vars(base) for base in kind.__mro__[:-1]):
        return f"{_qualified_name(kind)} {instance!r}"
    return f"{_qualified_name(kind)} {_token(instance)}"


# `id()` is reused after an object is deleted, and by other processes. Each object therefore gets a unique token.
_tokens: dict[int, str] = {}
os.register_at_fork(after_in_child=_tokens.clear)  # parent and child change their copies independently


def _token(instance: object) -> str:
    token = _tokens.get(id(instance))
    if token is None:
        try:
            weakref.finalize(instance, _tokens.pop, id(instance), None).atexit = False
        except TypeError:
            raise TypeError(
                f"objects of {_qualified_name(type(instance))} cannot be identified; "
                "give the class a method __caching_id__"
            ) from None
        token = _tokens.setdefault(id(instance), new_identifier())
    return token


def _qualified_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
