"""Ask for one thing as fast as some connections can, and check every answer, status and body.

With wrk where it is installed: it costs the least beside the server. Otherwise with our own visitors.
"""

import asyncio
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.arena import STATS, User
from benchmarks.load import Answer, Visitor, percentile, read
from local.server import LOOPBACK

__all__ = ["WRK", "Burst", "saturate"]

WRK: Final = shutil.which("wrk")
_SCRIPT: Final = Path(__file__).with_name("hits.lua")


@dataclass(frozen=True, slots=True)
class Burst:
    """What came of it.

    Attributes:
        requests: how many were answered.
        seconds: how long it took.
        bytes: received, heads included; 0 when the generator does not count them.
        wrong: answers that were not 200 or had another body.
        failed: requests that got no answer.
        p50: seconds.
        p99: seconds.

    """

    requests: int
    seconds: float
    bytes: int
    wrong: int
    failed: int
    p50: float
    p99: float


def saturate(port: int, users: Sequence[User], expected: bytes, *, connections: int, seconds: float) -> Burst:
    """Read the breakdowns of `users` in turn, over and over; each body must be `expected`."""
    if WRK:
        return _with_wrk(WRK, port, users, expected, connections=connections, seconds=seconds)
    return asyncio.run(_with_visitors(port, users, expected, connections=connections, seconds=seconds))


def _with_wrk(  # noqa: PLR0913 - what to run and what to ask
    program: str, port: int, users: Sequence[User], expected: bytes, *, connections: int, seconds: float
) -> Burst:
    command = [program, "--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s"]
    with tempfile.NamedTemporaryFile("w") as tokens:
        tokens.writelines(f"{user.token}\n" for user in users)
        tokens.flush()
        command += ["--script", str(_SCRIPT), f"http://{LOOPBACK}:{port}{STATS}", "--", tokens.name, expected.decode()]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - on PATH
    return Burst(**json.loads(output.splitlines()[-1]))


async def _with_visitors(
    port: int, users: Sequence[User], expected: bytes, *, connections: int, seconds: float
) -> Burst:
    started = time.monotonic()
    requests, answers = itertools.cycle([read(user) for user in users]), list[Answer]()

    async def visit() -> None:
        visitor = Visitor(port)
        while time.monotonic() < started + seconds:
            answers.append(await visitor.ask(next(requests)))
        visitor.leave()

    await asyncio.gather(*(visit() for _ in range(connections)))
    answered = [answer for answer in answers if answer.status]
    times = [answer.seconds for answer in answered]
    return Burst(
        requests=len(answered),
        seconds=time.monotonic() - started,
        bytes=0,
        wrong=sum((answer.status, answer.body) != (200, expected) for answer in answered),
        failed=len(answers) - len(answered),
        p50=percentile(times, 50),
        p99=percentile(times, 99),
    )
