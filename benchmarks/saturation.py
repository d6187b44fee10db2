"""Send reads as fast as a number of connections can, and check the status and body of every answer.

It uses wrk if it is installed, because wrk needs the least processor time. Otherwise it uses our own load clients.
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

from benchmarks.environment import STATS, User
from benchmarks.load import Answer, LoadClient, percentile, read
from local.server import LOOPBACK

__all__ = ["WRK", "Burst", "saturate"]

WRK: Final = shutil.which("wrk")
_SCRIPT: Final = Path(__file__).with_name("hits.lua")


@dataclass(frozen=True, slots=True)
class Burst:
    """The result of one saturation run.

    Attributes:
        requests: number of requests that got an answer.
        seconds: duration of the run.
        bytes: bytes received, including headers; 0 if the generator does not count them.
        wrong: number of answers with another status than 200 or another body.
        failed: number of requests without an answer.
        p50: median latency in seconds.
        p99: 99th percentile of the latency in seconds.

    """

    requests: int
    seconds: float
    bytes: int
    wrong: int
    failed: int
    p50: float
    p99: float


def saturate(port: int, users: Sequence[User], expected: bytes, *, connections: int, seconds: float) -> Burst:
    """Read the breakdowns of `users` in turn, repeatedly; each body must equal `expected`."""
    if WRK:
        return _with_wrk(WRK, port, users, expected, connections=connections, seconds=seconds)
    return asyncio.run(_with_load_clients(port, users, expected, connections=connections, seconds=seconds))


def _with_wrk(  # noqa: PLR0913 - the arguments of wrk
    program: str, port: int, users: Sequence[User], expected: bytes, *, connections: int, seconds: float
) -> Burst:
    command = [program, "--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s"]
    with tempfile.NamedTemporaryFile("w") as tokens:
        tokens.writelines(f"{user.token}\n" for user in users)
        tokens.flush()
        command += ["--script", str(_SCRIPT), f"http://{LOOPBACK}:{port}{STATS}", "--", tokens.name, expected.decode()]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - on PATH
    return Burst(**json.loads(output.splitlines()[-1]))


async def _with_load_clients(
    port: int, users: Sequence[User], expected: bytes, *, connections: int, seconds: float
) -> Burst:
    started = time.monotonic()
    requests, answers = itertools.cycle([read(user) for user in users]), list[Answer]()

    async def run_client() -> None:
        client = LoadClient(port)
        while time.monotonic() < started + seconds:
            answers.append(await client.send(next(requests)))
        client.close()

    await asyncio.gather(*(run_client() for _ in range(connections)))
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
