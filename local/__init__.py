"""The local stack: Valkey, Supabase Lite and the app itself as real processes, for `make run` and for the tests.

It is for development only. It needs nothing but the packages of requirements-local.txt and package-lock.json,
listens on loopback alone, and leaves no process behind, however the process that started it ends.
"""

from pathlib import Path
from typing import Final

__all__ = ["ROOT"]

ROOT: Final = Path(__file__).resolve().parent.parent
"""The checkout."""
