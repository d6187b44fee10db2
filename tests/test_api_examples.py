"""The programs in docs/programs.md, run against the real servers, also when these refuse requests and lose answers."""

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import pytest

from local import ROOT
from local.announcement import Pids, RunningStack
from local.application import AppServer
from local.demo import Login
from local.npm import NODE
from local.stack import Stack
from tests.clients import PASSWORD
from tests.flaky import FlakyProxy, Interference
from tests.sellers import STATS, Seller

_PAGE: Final = (ROOT / "docs" / "programs.md").read_text("utf-8")
_COMMANDS: Final = {"bash": ["/bin/bash"], "python": [sys.executable], "js": [str(NODE)]}
_FILES: Final = {"bash": "desk.sh", "python": "desk.py", "js": "desk.mjs"}
LANGUAGES: Final = tuple(_COMMANDS)


@pytest.fixture
def app_proxy(server: AppServer) -> Iterator[FlakyProxy]:
    """Run a proxy in front of the app."""
    with FlakyProxy(server.url) as running:
        yield running


@pytest.fixture
def auth_proxy(stack: Stack) -> Iterator[FlakyProxy]:
    """Run a proxy in front of Supabase."""
    with FlakyProxy(stack.supabase.url) as running:
        yield running


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)


class Program:
    """One example of the page as a program of `seller`, which calls both servers through proxies."""

    def __init__(self, stack: Stack, seller: Seller, folder: Path, app: FlakyProxy, auth: FlakyProxy) -> None:
        """Prepare the environment that the page describes."""
        self._folder = folder
        self._environment = {
            "PATH": os.environ["PATH"], "APP_URL": app.url, "SUPABASE_URL": auth.url, "EMAIL": seller.email,
            "SUPABASE_KEY": stack.supabase.publishable_key, "PASSWORD": PASSWORD,
        }  # fmt: skip

    def prints(self, language: str) -> list[str]:
        """Run the example and return the lines it prints."""
        (code,) = _blocks(language)
        file = self._folder / _FILES[language]
        file.write_text(code, "utf-8")
        ran = subprocess.run(  # noqa: S603 - our own document
            [*_COMMANDS[language], file], cwd=self._folder, env=self._environment,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr  # curl writes a line for each repetition
        return ran.stdout.splitlines()


@pytest.fixture
def program(stack: Stack, seller: Seller, tmp_path: Path, app_proxy: FlakyProxy, auth_proxy: FlakyProxy) -> Program:
    """Return the examples as programs of `seller`."""
    return Program(stack, seller, tmp_path, app_proxy, auth_proxy)


def _grants(auth: FlakyProxy) -> list[str]:
    return [arrival.target.rpartition("=")[2] for arrival in auth.arrivals]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_example_signs_in_reads_creates_and_reads_again(program: Program, language: str, seller: Seller) -> None:
    """The second number is one higher. Another run finds the same product."""
    assert program.prints(language) == ["0", "1"]
    assert program.prints(language) == ["1", "1"]
    assert [deal["product"]["title"] for deal in seller.lists()] == ["Walnut Desk Organizer"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_example_waits_for_retry_after_and_repeats_with_the_same_key(
    program: Program, language: str, seller: Seller, app_proxy: FlakyProxy, auth_proxy: FlakyProxy
) -> None:
    """After 503 and 429, and after a 503 that was answered although the change had been made: one product results."""
    planned: list[Interference | None] = [Interference(503), Interference(429), Interference(503, arrives=True)]
    app_proxy.planned["POST /products"] = planned
    auth_proxy.planned["POST /auth/v1/token"] = [Interference(503)]
    assert program.prints(language) == ["0", "1"]
    assert planned == []
    posts = [arrival for arrival in app_proxy.arrivals if arrival.method == "POST"]
    assert [post.target for post in posts] == ["/products"] * 4
    assert len({post.headers["idempotency-key"] for post in posts}) == 1
    assert min(later.at - earlier.at for earlier, later in itertools.pairwise(posts)) > 0.95
    assert _grants(auth_proxy)[:2] == ["password", "password"]
    assert len(seller.lists()) == 1


@pytest.mark.parametrize("language", ["python", "js"])
def test_an_example_refreshes_its_token_after_401_and_survives_a_lost_answer(
    program: Program, language: str, seller: Seller, app_proxy: FlakyProxy, auth_proxy: FlakyProxy
) -> None:
    """When the refresh token is refused too, it signs in again. The change is sent each time with the same key."""
    app_proxy.planned[f"GET {STATS}"] = [Interference(401)]
    app_proxy.planned["POST /products"] = [Interference(0, arrives=True), Interference(401)]
    auth_proxy.planned["POST /auth/v1/token"] = [None, Interference(400)]
    assert program.prints(language) == ["0", "1"]
    assert _grants(auth_proxy) == ["password", "refresh_token", "password", "refresh_token"]
    keys = {arrival.headers["idempotency-key"] for arrival in app_proxy.arrivals if arrival.method == "POST"}
    assert len(keys) == 1
    assert len(seller.lists()) == 1


def test_the_variables_of_the_examples_come_from_the_running_stack(stack: Stack, tmp_path: Path) -> None:
    """The page's command sets all five, from the file that `make run` writes."""
    running = RunningStack(
        app_url="http://127.0.0.1:8000", redis_url=stack.redis.url, supabase_url=stack.supabase.url,
        publishable_key=stack.supabase.publishable_key, jwt_secret=None, demo=Login("a@example.com", "secret"),
        operator=None, pids=Pids(supervisor=1, gunicorn=2, redis=3, supabase=4),
    )  # fmt: skip
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.json").write_text(json.dumps(asdict(running)))
    names = ("APP_URL", "SUPABASE_URL", "SUPABASE_KEY", "EMAIL", "PASSWORD")
    script = _blocks("sh")[0] + f"printenv {' '.join(names)}"
    ran = subprocess.run(  # noqa: S603 - our own document
        ["/bin/bash", "-euc", script], cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    values = [running.app_url, running.supabase_url, running.publishable_key, "a@example.com", "secret"]
    assert ran.stdout.splitlines() == values
