"""Run the whole stack in the foreground until a signal stops it or a part that the app needs ends."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Final, NoReturn

from local.announcement import say
from local.files import AlreadyLockedError, lock
from local.launch import ExternalServices, Launched, Options, launch
from local.processes import STOP_SIGNALS
from local.restarter import Restarter
from local.server import ServerError

__all__ = ["run"]

_WATCH_SECONDS: Final = 0.3
_WITHOUT_REDIS: Final = "The app keeps running and answers from the database."


class _StopRequested(BaseException):
    """A stop signal arrived. A BaseException, like KeyboardInterrupt, so that `except Exception` does not catch it."""


def run(options: Options, external: ExternalServices) -> None:
    """Start everything, print the addresses, and return after a stop signal when all parts have stopped.

    Raises:
        ServerError: the stack is already running, a part did not start, or Supabase or the app has ended. All parts
            that were started here are stopped.

    """
    parent = os.getppid()
    options.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        held = lock(options.directory / "lock")
    except AlreadyLockedError:
        raise ServerError(f"the stack in {options.directory} is already running; stop it first") from None
    try:
        with _signals_as_exception(), ExitStack() as cleanup:
            launched = launch(options, external, cleanup)
            _watch(launched, parent=parent if options.follow_parent else None)
    except _StopRequested:
        say("Stopped.")
    finally:
        os.close(held)


@contextmanager
def _signals_as_exception() -> Iterator[None]:
    """Raise _StopRequested on the first stop signal; ignore later ones so that they do not interrupt the cleanup."""

    def request_stop(_number: int, _frame: FrameType | None) -> NoReturn:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise _StopRequested

    before = {number: signal.signal(number, request_stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(launched: Launched, *, parent: int | None) -> None:
    """Restart Redis whenever it ends; return when the process `parent` has ended.

    Raises:
        ServerError: a required server has ended.

    """
    redis = None
    if launched.redis:
        redis = Restarter(launched.redis, meanwhile=_WITHOUT_REDIS, restarted=launched.announce)
    while parent is None or os.getppid() == parent:
        for server in launched.required:
            server.check()
        if redis:
            redis.check()
        time.sleep(_WATCH_SECONDS)
