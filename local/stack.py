"""The two servers that the app needs, started and stopped together."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from local.supabase import SupabaseServer
from local.valkey import ValkeyServer

__all__ = ["Stack"]


class Stack:
    """One Valkey and one Supabase on free ports. As a context manager, both run inside the block.

    Attributes:
        redis: the Valkey server.
        supabase: the Supabase server.

    """

    def __init__(self, directory: Path, *, bcrypt_cost: int = 10) -> None:
        """Describe both servers. `directory` holds their data, keys and logs. `bcrypt_cost`: see `SupabaseServer`."""
        self.redis = ValkeyServer(directory / "valkey")
        self.supabase = SupabaseServer(directory / "supabase", bcrypt_cost=bcrypt_cost)
        self._running = ExitStack()

    def start(self) -> Self:
        """Start both servers and wait until they answer.

        Raises:
            ServerError: one server did not start. Both are stopped in this case.

        """
        with ExitStack() as starting:
            starting.enter_context(self.redis)
            starting.enter_context(self.supabase)
            self._running = starting.pop_all()
        return self

    def stop(self) -> None:
        """Stop both servers. Does nothing when they are not running."""
        self._running.close()

    def __enter__(self) -> Self:
        """Start both servers."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both servers, also after an error in the block."""
        self.stop()
