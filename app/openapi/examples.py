"""The examples of the document: requests and answers that a test has recorded (tests/openapi/test_examples.py)."""

import functools
import json
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("examples.json")


@functools.cache
def _recorded() -> dict[str, Any]:
    examples: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    return examples


def of_request(operation_id: str) -> dict[str, Any]:
    """Return the member `example` of a request body, nothing if there is none."""
    return _example(operation_id, "request")


def of_answer(operation_id: str, status: int) -> dict[str, Any]:
    """Return the member `example` of an answer, nothing if there is none."""
    return _example(operation_id, str(status))


def _example(operation_id: str, part: str) -> dict[str, Any]:
    recorded = _recorded().get(operation_id, {})
    return {"example": recorded[part]} if part in recorded else {}
