"""Loaded by schemathesis: each valid idempotency key becomes a new one.

schemathesis sends the same short keys for different changes, which is refused, as it must be.
"""

import re
from typing import Any
from uuid import uuid4

import schemathesis

from app.openapi.components import request_headers

_HEADER = "Idempotency-Key"


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:  # noqa: ANN401 - the types of schemathesis
    """Replace the key of a request if it is valid. An invalid one must be refused, so it is kept."""
    given = case.headers.get(_HEADER) if case.headers else None
    if given and re.search(request_headers()[_HEADER]["schema"]["pattern"], given):
        case.headers[_HEADER] = str(uuid4())
