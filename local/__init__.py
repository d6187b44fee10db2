"""The local stack: Valkey, Supabase Lite and the app itself as real processes, for `make run` and for the tests.

It is for development only. It needs only the packages of requirements-local.txt and package-lock.json. It listens on
loopback only. It leaves no process behind, even when the process that started it is killed.
"""

from pathlib import Path
from typing import Final

__all__ = ["ROOT"]

ROOT: Final = Path(__file__).resolve().parent.parent
"""The root folder of the repository."""
