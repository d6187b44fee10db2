"""`flask token` run as a developer would: in its own process, with only the settings in its environment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest

from local import ROOT
from local.stack import Stack
from tests.clients import client
from tests.sellers import STATS, Seller, app_environment

_STRONG = "0123456789abcdef0123456789abcdef-key"


def flask_token(stack: Stack, *arguments: str, **changes: str) -> tuple[int, str, str, list[dict[str, Any]]]:
    """Run `flask token` and return its exit status, standard output, standard error, and its lines of the audit log."""
    ran = subprocess.run(  # noqa: S603 - our own command
        [Path(sys.executable).with_name("flask"), "token", *arguments],
        cwd=ROOT, env={"PATH": os.environ["PATH"], **app_environment(stack, LOG_LEVEL="WARNING"), **changes},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in ran.stderr
    assert stack.supabase.jwt_secret not in ran.stdout + ran.stderr
    lines = ran.stderr.splitlines(keepends=True)
    audit = [json.loads(line) for line in lines if '"app.audit"' in line]
    return ran.returncode, ran.stdout, "".join(line for line in lines if '"logger"' not in line), audit


def test_the_token_is_accepted_as_one_of_this_user(stack: Stack, seller: Seller) -> None:
    """For reads and changes. Standard output has nothing but the token, so that a shell can store it."""
    status, out, err, (line,) = flask_token(stack, "--user", f" {seller.email.upper()}")
    assert (status, err, out.count("\n")) == (0, "", 1)
    with client(str(seller.http.base_url), headers={"Authorization": f"Bearer {out.strip()}"}) as http:
        assert http.post("/products", json={"title": "Lamp"}).status_code == 201
        assert http.get(STATS).json()["all"] == 1
    assert seller.stats()["all"] == 1
    claims = jwt.decode(out.strip(), options={"verify_signature": False})
    assert (claims["sub"], claims["exp"] - claims["iat"]) == (seller.id, 3600)
    assert (line["event"], line["outcome"], len(line["account"])) == ("token.make", "ok", 32)
    assert not [text for text in (seller.email, out.strip()) if text.lower() in json.dumps(line).lower()]


def test_production_refuses_and_says_why(stack: Stack, seller: Seller) -> None:
    """The refusal is in the audit log."""
    production = {"APP_ENV": "production", "SECRET_KEY": _STRONG}
    status, out, err, (line,) = flask_token(stack, "--user", seller.email, **production)
    assert (status, out, line["outcome"]) == (1, "", "refused")
    assert err.startswith("Error: flask token needs APP_ENV=development: in production nobody may act as a user")


@pytest.mark.parametrize(
    ("arguments", "changes", "status", "words"),
    [
        (("--user", "nobody@example.com"), {}, 1, "There is no user nobody@example.com."),
        (("--user", "a@example.com"), {"SUPABASE_JWT_SECRET": ""}, 1, "a project with published keys"),
        (("--user", "a@example.com"), {"SUPABASE_URL": "http://127.0.0.1:1"}, 1, "not reachable"),
        ((), {}, 2, "Missing option '--user'"),
    ],
)
def test_a_failure_prints_no_token(
    stack: Stack, arguments: tuple[str, ...], changes: dict[str, str], status: int, words: str
) -> None:
    """The message says what to do."""
    found, out, err, _ = flask_token(stack, *arguments, **changes)
    assert (found, out, words in err) == (status, "", True), err
