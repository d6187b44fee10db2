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
from tests.proxy import SupabaseProxy, faulty_answer
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


def test_an_outage_does_not_use_up_the_limits(limited_app: Flask, stack: Stack) -> None:
    """Whoever tries again and again during an outage is not refused after it."""
    transport = httpx.WSGITransport(limited_app, remote_addr="203.0.113.10")
    fields = {"email": new_address(), "password": NEW_PASSWORD}
    with httpx.Client(transport=transport, base_url="http://app", timeout=30) as http:
        someone = Visitor(http)
        someone.opens("/sign-in")
        stack.supabase.pause()
        try:
            statuses = [someone.submits(path, **fields).status_code for path in ["/forgot-password", "/sign-up"] * 4]
        finally:
            stack.supabase.resume()
    assert statuses == [503] * 8


@pytest.mark.parametrize(
    ("path", "title"), [("/sign-up", "Confirm your e-mail address"), ("/forgot-password", "Check your e-mail")]
)
def test_an_e_mail_sent_a_moment_ago_does_not_tell_that_there_is_an_account(
    proxied_app: AppServer, proxy: SupabaseProxy, path: str, title: str
) -> None:
    """Supabase refuses a second one within a minute, but only for an account that exists."""
    with client(proxied_app.url) as http:
        visitor = Visitor(http)
        visitor.opens(path)
        proxy.fault = faulty_answer("429 Too Many Requests", b'{"error_code": "over_email_send_rate_limit", "msg": ""}')
        try:
            answer = visitor.submits(path, email=new_address(), password=NEW_PASSWORD)
        finally:
            proxy.fault = None
    assert (answer.status_code, title in words(answer.text)) == (200, True)
