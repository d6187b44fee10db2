"""What the decorators of a view declare about it, such as who may call it. The OpenAPI document is made from this.

The declarations are an attribute of the view. `functools.wraps` copies it, so an outer decorator keeps what the inner
ones have declared.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

V = TypeVar("V", bound=Callable[..., Any])

_NAME: Final = "asin_desk_declarations"
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def declare(view: V, **facts: object) -> V:
    """Add `facts` to the declarations of `view`, and return it."""
    view.__dict__[_NAME] = {**declared(view), **facts}
    return view


def declared(view: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the declarations of `view` by name. They are empty if its decorators have declared nothing."""
    found: Mapping[str, Any] = getattr(view, _NAME, _NOTHING)
    return found
