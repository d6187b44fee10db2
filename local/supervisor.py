"""Run the whole stack in the foreground until somebody stops it, or a part ends that the app cannot do without."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Final, NoReturn

from local.announcement import say
from local.files import AlreadyLockedError, lock
from local.given import Given
from local.launch import Launched, Options, launch
from local.processes import STOP_SIGNALS
from local.revival import Revival
from local.server import ServerError

__all__ = ["run"]

_WATCH_SECONDS: Final = 0.3
_WITHOUT_REDIS: Final = "The app goes on without it and answers from the database."


class _StopRequested(BaseException):
    """A signal asked us to stop. Like KeyboardInterrupt, nothing may catch it on the way."""


def run(options: Options, given: Given) -> None:
    """Start everything, say where it is, and return when a stop signal has come and nothing runs any more.

    Raises:
        ServerError: the stack runs already, a part did not start, or Supabase or the app has ended; nothing of ours
            runs then.

    """
    parent = os.getppid()
    options.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        held = lock(options.directory / "lock")
    except AlreadyLockedError:
        raise ServerError(f"the stack in {options.directory} is running already; stop that one first") from None
    try:
        with _signals_as_exception(), ExitStack() as cleanup:
            launched = launch(options, given, cleanup)
            _watch(launched, parent=parent if options.follow_parent else None)
    except _StopRequested:
        say("Stopped.")
    finally:
        os.close(held)


@contextmanager
def _signals_as_exception() -> Iterator[None]:
    """Raise _StopRequested on the first stop signal; later ones do not disturb the cleaning up."""

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
    """Start Redis again whenever it ends; return when `parent` has ended.

    Raises:
        ServerError: another server has ended.

    """
    redis = None
    if launched.redis:
        redis = Revival(launched.redis, meanwhile=_WITHOUT_REDIS, restarted=launched.announce)
    while parent is None or os.getppid() == parent:
        for server in launched.indispensable:
            server.check()
        if redis:
            redis.look()
        time.sleep(_WATCH_SECONDS)
