"""The conditions of a change: an idempotency key, and the entity tags that the product or deal may have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of one change. The database checks them in the transaction of the change; see docs/data.md.

    Sources: draft-ietf-httpapi-idempotency-key-header-08, and RFC 9110 §13.1.1 for entity tags.

    Attributes:
        key: the idempotency key; None to make the change each time.
        if_match: the entity tags of which the product or deal must have one, or "*" for any; None to change any state.

    """

    key: str | None = None
    if_match: tuple[str, ...] | None = None

    def applied_to(self, function: str, arguments: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the SQL function, and its arguments, that calls `function` with `arguments` under these conditions.

        Without conditions it is `function` itself.
        """
        if self.key is None and self.if_match is None:
            return function, dict(arguments)
        conditions = {"p_key": self.key, "p_if_match": self.if_match}
        return "conditional_change", {"p_function": function, "p_arguments": dict(arguments), **conditions}


UNCONDITIONAL: Final = Conditions()
