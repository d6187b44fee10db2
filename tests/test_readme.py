"""The README's console sessions, typed into a real shell against a running stack, so that they cannot rot."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis

from local import ROOT
from local.announcement import Pids, RunningStack, announce, terminal_text
from local.application import AppServer
from local.demo import create_demo
from local.stack import Stack
from tests.sellers import app_environment

README: Final = (ROOT / "README.md").read_text("utf-8")
SHELL_SECONDS: Final = 60
# What differs from run to run: ids, numbers, sizes, and the word that follows a number. The numbers that matter are
# checked by themselves.
_VOLATILE: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|\d+(\.\d+)?([KM]\b| entry| entries)?")


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the README and the output the README shows for it."""

    command: str
    shown: str


def steps() -> list[Step]:
    """Return the commands of all console blocks, in order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    found = []
    for part in re.split(r"^\$ ", "".join(blocks), flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        length = 1 + sum(line.startswith("> ") for line in lines)
        command = "\n".join(line.removeprefix("> ") for line in lines[:length])
        found.append(Step(command, "\n".join(lines[length:])))
    return found


@pytest.fixture(scope="module")
def answers(stack: Stack, server: AppServer, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what each step prints when the stack that `make run` would announce is this test's own."""
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
    places = {"http://127.0.0.1:8000": server.url, ".local/": f"{directory}/"}
    return typed(sign_in, [placed(step.command, places) for step in steps()])


def placed(command: str, places: dict[str, str]) -> str:
    """Return the command with the README's addresses and paths replaced by this test's."""
    for here, there in places.items():
        command = command.replace(here, there)
    return command


def typed(first: str, commands: list[str]) -> list[str]:
    """Type all into one shell and return what each of `commands` printed; the first that fails fails the test."""
    script = "\n".join(f"printf '\\036'\n{command}" for command in commands)
    done = subprocess.run(  # noqa: S603 - our own README
        ["/bin/bash", "-euo", "pipefail", "-c", f"{first}\n{script}"],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=SHELL_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [output.replace("\r", "").strip() for output in done.stdout.split("\036")[1:]]


def breakdowns(answers: list[str]) -> Iterator[dict[str, Any]]:
    """Return the breakdowns among the answers."""
    return (json.loads(line) for answer in answers for line in answer.splitlines() if line.startswith('{"all"'))


def test_each_command_prints_what_the_readme_shows(answers: list[str]) -> None:
    """Line by line; only ids and numbers may differ."""
    shown = {step.command: _VOLATILE.sub("#", step.shown.strip()) for step in steps()}
    assert len(answers) == len(steps()) > 5
    printed = {step.command: _VOLATILE.sub("#", answer) for step, answer in zip(steps(), answers, strict=True)}
    assert printed == shown


def test_the_session_shows_a_miss_a_hit_and_a_fresh_number(answers: list[str]) -> None:
    """The very thing this project is about, with the numbers as they came."""
    statuses = [line for answer in answers for line in answer.splitlines() if line.startswith("Cache-Status")]
    assert ["hit" in status for status in statuses] == [False, True, False]
    before, again, after = breakdowns(answers)
    assert again == before
    assert after == before | {"all": before["all"] + 1, "needs_asin": before["needs_asin"] + 1}


def test_the_readme_shows_its_numbers_as_they_were(answers: list[str]) -> None:
    """The demo data are the same every time, so the breakdowns in the README are those of everybody."""
    assert list(breakdowns([step.shown for step in steps()])) == list(breakdowns(answers))


def test_every_file_the_documents_point_to_exists() -> None:
    """Links within the project; the screenshot too."""
    for document in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text("utf-8")):
            assert (document.parent / Path(target)).exists(), f"{document.name}: {target}"
