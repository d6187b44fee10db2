"""Where the engine behaves otherwise than Flask-Caching's and cachelib's own tests expect, and why.

`docs/use-the-engine.md` tells users the same in one table. A test listed here must fail, any other must pass.
"""

from collections.abc import Mapping
from typing import Final

Differences = Mapping[str, tuple[str, ...]]
"""Tests by the reason why they fail."""

FLASK_CACHING_STOCK: Final[Differences] = {
    "The test looks into SimpleCache, its private dictionary or its serializer.": (
        "tests/test_cachelib.py::test_backend_uses_cachelib_serializer",
        "tests/test_serializer.py::test_default_keeps_the_cachelib_serializer",
        "tests/test_serializer.py::test_values_are_stored_in_the_configured_format",
    ),
}

FLASK_CACHING: Final[Differences] = {
    **FLASK_CACHING_STOCK,
}

CACHELIB: Final[Differences] = {}
