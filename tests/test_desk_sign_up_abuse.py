"""Abuse of the pages before sign-in: forms of another site, and floods of accounts, e-mails and links."""

from pathlib import Path
from typing import Final

import httpx
import pytest
from flask import Flask

from app.addresses import network_of
from app.limits import CONFIRM, RESET_FROM, SIGN_UP, Policy, limiter
from local.application import AppServer
from local.stack import Stack
from tests.clients import client
from tests.desk_pages import words
from tests.mailbox import NEW_PASSWORD, new_address
from tests.sellers import app_environment
from tests.visitors import Visitor

_ADDRESS: Final = "203.0.113.9"


@pytest.mark.parametrize("path", ["/sign-up", "/forgot-password", "/confirm"])
def test_a_forged_form_is_refused(stranger: Visitor, stack: Stack, path: str) -> None:
    """Another site can neither create an account, nor cause an e-mail, nor use a link."""
    email = new_address()
    fields = {"email": email, "password": NEW_PASSWORD, "type": "recovery", "token_hash": "x"}
    assert stranger.http.post(path, data=fields).status_code == 403
    assert not stack.supabase.mail_file.exists() or email not in stack.supabase.mail_file.read_text()


@pytest.mark.parametrize(
    ("policy", "path"), [(SIGN_UP, "/sign-up"), (RESET_FROM, "/forgot-password"), (CONFIRM, "/confirm")]
)
def test_requests_from_one_address_are_limited(limited_app: Flask, policy: Policy, path: str) -> None:
    """Whatever account they name."""
    transport = httpx.WSGITransport(limited_app, remote_addr=_ADDRESS)
    with httpx.Client(transport=transport, base_url="http://app") as http:
        someone = Visitor(http)
        someone.opens("/sign-in")
        with limited_app.app_context():
            while limiter().take(policy, network_of(_ADDRESS)).allowed:
                pass
        fields = {"email": new_address(), "password": NEW_PASSWORD, "type": "recovery", "token_hash": "x"}
        answer = someone.submits(path, **fields)
    assert (answer.status_code, answer.headers["RateLimit-Policy"]) == (429, str(policy))


def test_e_mails_to_one_address_are_limited(stack: Stack, tmp_path: Path) -> None:
    """Three an hour, whichever page causes them. The page says when to try again, and keeps the address."""
    environment, email = app_environment(stack, RATE_LIMITS="on", REDIS_READ_TIMEOUT="2"), new_address()
    with AppServer(environment, workers=1, log=tmp_path / "log") as app, client(app.url) as http:
        visitor, answers = Visitor(http), []
        for path in ("/forgot-password", "/forgot-password", "/sign-up", "/sign-up", "/forgot-password"):
            http.cookies.clear()
            visitor.opens(path)
            answers.append(visitor.submits(path, email=email, password=NEW_PASSWORD))
    assert [answer.status_code for answer in answers] == [200, 200, 303, 429, 429]
    for refused in answers[3:]:
        assert "Too many attempts. Please try again in 20 minutes." in words(refused.text)
        assert f'value="{email}"' in refused.text
