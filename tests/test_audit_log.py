"""The audit log: each event that security depends on, with who, what and how it ended, and nobody's secrets."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from flask import Flask

from local import ROOT
from local.application import AppServer
from local.stack import Stack
from tests.clients import PASSWORD
from tests.guessers import audited, new_guesser
from tests.sellers import STATS, Seller, app_environment, make_operator, new_seller
from tests.visitors import Visitor, new_visitor

_MEMBERS: Final = ["time", "level", "logger", "request_id", "message", "event", "outcome", "address"]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file the app logs to."""
    return tmp_path_factory.mktemp("audit") / "gunicorn.log"


@pytest.fixture(scope="module")
def watched(stack: Stack, log: Path) -> Iterator[AppServer]:
    """Run the app at the level that says least."""
    environment = app_environment(stack, LOG_LEVEL="ERROR", TRUSTED_PROXIES="1", RATE_LIMITS="on")
    with AppServer(environment, workers=2, log=log) as running:
        yield running


@pytest.fixture
def someone(stack: Stack, watched: AppServer) -> Iterator[Seller]:
    """Return a user of that app."""
    with new_seller(stack.supabase, watched.url) as seller:
        yield seller


@pytest.fixture
def visitor(watched: AppServer) -> Iterator[Visitor]:
    """Return somebody at the desk of that app."""
    with new_visitor(watched.url) as visiting:
        yield visiting


def test_signing_in_and_out(visitor: Visitor, someone: Seller, log: Path) -> None:
    """With the user, the address and the request's id; the lines are the first with this many members."""
    visitor.signs_in(someone)
    visitor.submits("/sign-out")
    (line,) = audited(log, event="sign-in", outcome="ok", user=someone.id)
    assert list(line)[: len(_MEMBERS)] == _MEMBERS
    assert (line["level"], line["logger"], line["address"]) == ("INFO", "app.audit", "127.0.0.1")
    assert line["request_id"] != "-"
    assert line["message"].startswith("sign-in ok address=127.0.0.1 user=")
    assert len(audited(log, event="sign-out", outcome="ok", user=someone.id)) == 1


def test_what_is_refused(visitor: Visitor, someone: Seller, log: Path) -> None:
    """Forms without a good token, tokens that are not good, and what is for operators only."""
    visitor.signs_in(someone)
    asked = [
        visitor.http.post("/desk/deals", data={"csrf_token": "forged"}),
        visitor.http.post("/sign-out", data={"csrf_token": "forged"}),
        someone.http.get(STATS, headers={"Authorization": "Bearer x.y.z"}),
        someone.http.get("/diagnostics/redis"),
        visitor.http.get("/diagnostics/redis", headers={"Cookie": ""}),
    ]
    assert [answer.status_code for answer in asked] == [403, 403, 401, 403, 401]
    lines = {line["request_id"]: line for line in audited(log, outcome="refused")}
    found = [lines[answer.headers["X-Request-ID"]] for answer in asked]
    assert [line["event"] for line in found] == ["csrf", "csrf", "token", "operator", "operator"]
    assert found[3]["user"] == someone.id
    assert found[3]["action"] == "redis_report"
    assert "user" not in found[4]


def test_what_operators_look_at(stack: Stack, someone: Seller, log: Path) -> None:
    """Diagnostics are read by name."""
    make_operator(stack.supabase, someone)
    assert someone.http.get("/diagnostics/redis").status_code == 200
    (line,) = audited(log, event="operator", outcome="ok", user=someone.id)
    assert line["action"] == "redis_report"


def test_files_in_and_out_and_what_is_removed_for_good(someone: Seller, log: Path) -> None:
    """Imports with their rows, exports, deals that cannot be brought back."""
    someone.imports("title\nLamp\nChair\n")
    someone.exports()
    deal = someone.lists()[0]["id"]
    assert someone.deletes(deal, hard=True).status_code == 204
    lines = audited(log, user=someone.id)
    assert [(line["event"], line["outcome"]) for line in lines] == [
        ("import", "ok"), ("export", "ok"), ("deal.purge", "ok"),
    ]  # fmt: skip
    assert lines[0]["rows"] == 2
    assert lines[2]["deal"] == deal


def test_whom_a_limit_refused(someone: Seller, log: Path) -> None:
    """One line each, with the user and the policy."""
    answers = [someone.http.post("/products/import", content="").status_code for _ in range(25)]
    assert answers.count(429) >= 3
    lines = audited(log, event="limit", outcome="limited", user=someone.id)
    assert {line["policy"] for line in lines} == {"imports"}
    assert len(lines) == answers.count(429)


def test_a_session_that_has_ended(visitor: Visitor, app: Flask, log: Path) -> None:
    """Its tokens are no longer good and cannot be renewed."""
    visitor.takes_session(app, access_token="x.y.z", refresh_token="long gone", expires_at=0, email="")
    answer = visitor.opens("/")
    assert answer.is_redirect
    lines = audited(log, event="session", outcome="refused")
    assert answer.headers["X-Request-ID"] in {line["request_id"] for line in lines}


def test_nothing_secret_and_nothing_forged(watched: AppServer, someone: Seller, log: Path) -> None:
    """Neither address nor password of an attempt is in the log, and nobody writes lines of their own."""
    evil = '6.6.6.6"}\u2028{"logger": "app.audit", "event": "forged"'
    with new_guesser(watched.url) as guesser:
        guesser.visitor.http.headers["X-Request-ID"] = "x forged"
        guesser.tries(f"Forged\r\n{someone.email}", f"{PASSWORD}-not", pretending=evil)
        guesser.tries(someone.email.upper(), f"{PASSWORD}-not")
        guesser.tries(someone.email, f"{PASSWORD}-not")
        lines = audited(log, event="sign-in", address=guesser.address)
    assert [line["outcome"] for line in lines] == ["refused"] * 3
    assert lines[1]["account"] == lines[2]["account"] != lines[0]["account"]
    text = log.read_text()
    assert not [secret for secret in (PASSWORD, someone.email, someone.token, "forged") if secret in text]


def test_the_lines_for_people_say_the_same(stack: Stack, tmp_path: Path) -> None:
    """One event, one line, in words."""
    log = tmp_path / "log"
    environment = app_environment(stack, LOG_FORMAT="text")
    with AppServer(environment, workers=1, log=log) as app, new_seller(stack.supabase, app.url) as seller:
        seller.exports()
    (line,) = [line for line in log.read_text().splitlines() if "app.audit" in line]
    assert line.endswith(f"export ok address=127.0.0.1 user={seller.id}")


@pytest.mark.parametrize(
    ("arguments", "event", "outcome", "shown"),
    [
        (("cache", "flush", "--all", "--yes"), "cache.flush", "ok", {"everybody": "True"}),
        (("cache", "flush"), "cache.flush", "refused", {"everybody": "False"}),
        (("products", "purge", "--older-than", "30d", "--yes"), "products.purge", "ok", {"days": "30"}),
        (("products", "import", "-", "--user", "nobody@example.com"), "products.import", "failed", {}),
    ],
)
def test_what_operators_type(
    stack: Stack, arguments: tuple[str, ...], event: str, outcome: str, shown: dict[str, str]
) -> None:
    """Who typed it on the machine, and how it ended."""
    ran = _types(stack, *arguments)
    (line,) = [json.loads(line) for line in ran.stderr.splitlines() if '"app.audit"' in line]
    assert {name: line[name] for name in ("event", "outcome")} == {"event": event, "outcome": outcome}
    assert shown.items() <= line.items()
    assert line["operator"]
    assert "address" not in line
    assert "nobody@example.com" not in json.dumps(line)


def test_a_deployment_that_strangers_can_join_is_told(stack: Stack) -> None:
    """`flask check` asks Supabase; the local stack, where anybody may sign up, does not pass."""
    ran = _types(stack, "check")
    assert ran.returncode == 1
    lines: list[Any] = ran.stdout.splitlines()
    assert lines[:2] == ["ok   redis     answers", "ok   database  answers"]
    assert lines[2].startswith("FAIL sign-up   open: ")


def _types(stack: Stack, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own command
        [Path(sys.executable).with_name("flask"), *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **app_environment(stack)},
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
