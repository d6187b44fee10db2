"""The conditions of a change: an idempotency key, and the entity tags that the product or deal may have."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_FUNCTION: Final = "change_if"


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of one change. The database checks them in the transaction of the change.

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
        call = {"p_function": function, "p_arguments": dict(arguments), "p_if_match": self.if_match}
        digest = hashlib.sha256(json.dumps(call, sort_keys=True).encode()).hexdigest()
        return _FUNCTION, {**call, "p_key": self.key, "p_digest": digest}


UNCONDITIONAL: Final = Conditions()
