"""The console sessions of the documents, run in a real shell against a running stack.

All documents together are one session. Each continues in the state that the one before it left.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from redis import Redis

from local import ROOT
from local.announcement import Pids, RunningStack, announce, terminal_text
from local.application import AppServer
from local.demo import create_demo
from local.stack import Stack
from tests.sellers import app_environment

DOCUMENTS: Final = ("README.md", "docs/api.md", "docs/operations.md")
SHELL_SECONDS: Final = 60
# Text that differs between runs: ids, numbers, sizes, and the word after a number. Other tests check the numbers that
# matter.
_VOLATILE: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|\d+(\.\d+)?([KM]\b| entry| entries)?")


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a document and the output that the document shows for it."""

    command: str
    shown: str


def steps(*documents: str) -> list[Step]:
    """Return the commands of all console blocks, in order."""
    text = "\n".join((ROOT / document).read_text("utf-8") for document in documents or DOCUMENTS)
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    found = []
    for part in re.split(r"^\$ ", "".join(blocks), flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        length = 1 + sum(line.startswith("> ") for line in lines)
        command = "\n".join(line.removeprefix("> ") for line in lines[:length])
        found.append(Step(command, "\n".join(lines[length:])))
    return found


@pytest.fixture(scope="module")
def answers(stack: Stack, server: AppServer, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the output of each step, run against the test's own stack as `make run` would announce it."""
    directory = tmp_path_factory.mktemp("readme")
    running = RunningStack(
        app_url=server.url,
        redis_url=stack.redis.url,
        supabase_url=stack.supabase.url,
        publishable_key=stack.supabase.publishable_key,
        jwt_secret=stack.supabase.jwt_secret,
        **vars(create_demo(stack.supabase, directory / "logins.json")),
        pids=Pids(supervisor=os.getpid(), gunicorn=server.pid, redis=stack.redis.pid, supabase=stack.supabase.pid),
    )
    announce(running, directory, app_environment(stack, LOG_LEVEL="INFO"))
    redis.flushdb()
    sign_in = next(line for line in terminal_text(running, directory).splitlines() if "TOKEN=" in line)
    replacements = {"http://127.0.0.1:8000": server.url, ".local/": f"{directory}/"}
    return run_in_shell(sign_in, [replaced(step.command, replacements) for step in steps()])


def replaced(command: str, replacements: dict[str, str]) -> str:
    """Return the command with the addresses and paths of the document replaced by those of this test."""
    for shown, actual in replacements.items():
        command = command.replace(shown, actual)
    return command


def run_in_shell(first: str, commands: list[str]) -> list[str]:
    """Run all commands in one shell and return the output of each of `commands`. A failing command fails the test."""
    script = "\n".join(f"printf '\\036'\n{command}" for command in commands)
    done = subprocess.run(  # noqa: S603 - our own documents
        ["/bin/bash", "-euo", "pipefail", "-c", f"{first}\n{script}"],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=SHELL_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [output.replace("\r", "").strip() for output in done.stdout.split("\036")[1:]]


def breakdowns(answers: list[str]) -> Iterator[dict[str, Any]]:
    """Return the breakdowns among the answers."""
    return (json.loads(line) for answer in answers for line in answer.splitlines() if line.startswith('{"all"'))


def test_each_command_prints_what_the_document_shows(answers: list[str]) -> None:
    """Line by line; only ids and numbers may differ."""
    assert len(answers) == len(steps()) > 10
    shown = [(step.command, _VOLATILE.sub("#", step.shown.strip())) for step in steps()]
    printed = [(step.command, _VOLATILE.sub("#", answer)) for step, answer in zip(steps(), answers, strict=True)]
    assert printed == shown


def test_the_session_shows_a_miss_a_hit_and_a_hit_with_the_new_number(answers: list[str]) -> None:
    """The numbers themselves, not only their form."""
    statuses = [line for answer in answers for line in answer.splitlines() if line.startswith("Cache-Status")]
    assert ["hit" in status for status in statuses] == [False, True, True]
    before, again, after = breakdowns(answers)
    assert again == before
    assert after == before | {"all": before["all"] + 1, "needs_asin": before["needs_asin"] + 1}


def test_the_readme_shows_the_numbers_of_the_demo(answers: list[str]) -> None:
    """The demo data are always the same, so every reader gets the numbers of the README."""
    assert list(breakdowns([step.shown for step in steps()])) == list(breakdowns(answers))
