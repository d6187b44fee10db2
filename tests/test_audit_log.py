"""The audit log: each security event with user, action and outcome, and without secrets."""

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
def audited_app(stack: Stack, log: Path) -> Iterator[AppServer]:
    """Run the app at the highest log level, ERROR."""
    environment = app_environment(stack, LOG_LEVEL="ERROR", TRUSTED_PROXIES="1", RATE_LIMITS="on")
    with AppServer(environment, workers=2, log=log) as running:
        yield running


@pytest.fixture
def someone(stack: Stack, audited_app: AppServer) -> Iterator[Seller]:
    """Return a user of `audited_app`."""
    with new_seller(stack.supabase, audited_app.url) as seller:
        yield seller


@pytest.fixture
def visitor(audited_app: AppServer) -> Iterator[Visitor]:
    """Return a visitor of the desk of `audited_app`."""
    with new_visitor(audited_app.url) as visiting:
        yield visiting


def test_signing_in_and_out_is_audited(visitor: Visitor, someone: Seller, log: Path) -> None:
    """The lines have the user, the IP address and the request id, after the members that all lines have."""
    visitor.signs_in(someone)
    visitor.submits("/sign-out")
    (line,) = audited(log, event="sign-in", outcome="ok", user=someone.id)
    assert list(line)[: len(_MEMBERS)] == _MEMBERS
    assert (line["level"], line["logger"], line["address"]) == ("INFO", "app.audit", "127.0.0.1")
    assert line["request_id"] != "-"
    assert line["message"].startswith("sign-in ok address=127.0.0.1 user=")
    assert len(audited(log, event="sign-out", outcome="ok", user=someone.id)) == 1


def test_refusals_are_audited(visitor: Visitor, someone: Seller, log: Path) -> None:
    """Forms without a valid CSRF token, invalid access tokens, and pages for operators only."""
    visitor.signs_in(someone)
    answers = [
        visitor.http.post("/desk/deals", data={"csrf_token": "forged"}),
        visitor.http.post("/sign-out", data={"csrf_token": "forged"}),
        someone.http.get(STATS, headers={"Authorization": "Bearer x.y.z"}),
        someone.http.get("/diagnostics/redis"),
        visitor.http.get("/diagnostics/redis", headers={"Cookie": ""}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 401, 403, 401]
    lines = {line["request_id"]: line for line in audited(log, outcome="refused")}
    found = [lines[answer.headers["X-Request-ID"]] for answer in answers]
    assert [line["event"] for line in found] == ["csrf", "csrf", "token", "operator", "operator"]
    assert found[3]["user"] == someone.id
    assert found[3]["action"] == "redis_report"
    assert "user" not in found[4]


def test_diagnostics_read_by_operators_are_audited(stack: Stack, someone: Seller, log: Path) -> None:
    """The line names the diagnostics that were read."""
    make_operator(stack.supabase, someone)
    assert someone.http.get("/diagnostics/redis").status_code == 200
    (line,) = audited(log, event="operator", outcome="ok", user=someone.id)
    assert line["action"] == "redis_report"


def test_imports_exports_and_permanent_deletes_are_audited(someone: Seller, log: Path) -> None:
    """Imports and look-up results with their number of rows, exports, and permanent deletes."""
    someone.imports("title\nLamp\nChair\n")
    assert someone.http.post("/products/candidates", json=[{"upc": "96385074"}]).is_success
    someone.exports()
    deal = someone.lists()[0]["id"]
    assert someone.deletes(deal, hard=True).status_code == 204
    lines = audited(log, user=someone.id)
    assert [(line["event"], line["outcome"]) for line in lines] == [
        ("import", "ok"), ("candidates", "ok"), ("export", "ok"), ("deal.purge", "ok"),
    ]  # fmt: skip
    assert lines[0]["rows"] == 2
    assert (lines[1]["rows"], lines[1]["accept_single"]) == (1, False)
    assert lines[3]["deal"] == deal


def test_rate_limited_requests_are_audited(someone: Seller, log: Path) -> None:
    """There is one line for each refusal, with the user and the policy."""
    answers = [someone.http.post("/products/import", content="").status_code for _ in range(25)]
    assert answers.count(429) >= 3
    lines = audited(log, event="limit", outcome="limited", user=someone.id)
    assert {line["policy"] for line in lines} == {"imports"}
    assert len(lines) == answers.count(429)


def test_an_ended_session_is_audited(visitor: Visitor, app: Flask, log: Path) -> None:
    """Its tokens are invalid and cannot be refreshed."""
    visitor.takes_session(app, access_token="x.y.z", refresh_token="long gone", expires_at=0, email="")
    answer = visitor.opens("/")
    assert answer.is_redirect
    lines = audited(log, event="session", outcome="refused")
    assert answer.headers["X-Request-ID"] in {line["request_id"] for line in lines}


def test_the_audit_log_has_no_secrets_and_no_forged_lines(audited_app: AppServer, someone: Seller, log: Path) -> None:
    """The log has neither e-mail address nor password of an attempt, and no request can forge a line."""
    evil = '6.6.6.6"}\u2028{"logger": "app.audit", "event": "forged"'
    with new_guesser(audited_app.url) as guesser:
        guesser.visitor.http.headers["X-Request-ID"] = "x forged"
        guesser.tries(f"Forged\r\n{someone.email}", f"{PASSWORD}-not", forged=evil)
        guesser.tries(someone.email.upper(), f"{PASSWORD}-not")
        guesser.tries(someone.email, f"{PASSWORD}-not")
        lines = audited(log, event="sign-in", address=guesser.address)
    assert [line["outcome"] for line in lines] == ["refused"] * 3
    assert lines[1]["account"] == lines[2]["account"] != lines[0]["account"]
    text = log.read_text()
    assert not [secret for secret in (PASSWORD, someone.email, someone.token, "forged") if secret in text]


def test_plain_text_audit_lines_have_the_same_content(stack: Stack, tmp_path: Path) -> None:
    """Each event is one line of plain text."""
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
def test_commands_of_operators_are_audited(
    stack: Stack, arguments: tuple[str, ...], event: str, outcome: str, shown: dict[str, str]
) -> None:
    """The line names the operating system user and the outcome."""
    ran = _run_flask(stack, *arguments)
    (line,) = [json.loads(line) for line in ran.stderr.splitlines() if '"app.audit"' in line]
    assert {name: line[name] for name in ("event", "outcome")} == {"event": event, "outcome": outcome}
    assert shown.items() <= line.items()
    assert line["operator"]
    assert "address" not in line
    assert "nobody@example.com" not in json.dumps(line)


def test_flask_check_reports_public_sign_up(stack: Stack) -> None:
    """`flask check` asks Supabase. The local stack, which allows public sign-up, does not pass."""
    ran = _run_flask(stack, "check")
    assert ran.returncode == 1
    lines: list[Any] = ran.stdout.splitlines()
    assert lines[:2] == ["ok   redis     answers", "ok   database  answers"]
    assert lines[2].startswith("FAIL sign-up   open: ")


def _run_flask(stack: Stack, *arguments: str) -> "subprocess.CompletedProcess[str]":
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
