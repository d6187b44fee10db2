"""The pages before the first sign-in: sign-up, a forgotten password, and the links of e-mails."""

import time
from http import HTTPStatus
from typing import Final

from flask import redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from app import audit
from app.addresses import client_address, network_of
from app.auth import current_user
from app.database import AccountRefusedError, DatabaseUnavailableError, Session
from app.database.accounts import LinkKind
from app.desk import sessions
from app.desk.account import change_password_of
from app.desk.account_rules import address_mistake, password_mistake, refusal_text
from app.desk.blueprint import desk
from app.desk.guessing import MAX_LENGTH, pad
from app.desk.held import shown_again
from app.desk.notices import Notice, flash
from app.desk.sessions import signed_in
from app.extensions import csrf
from app.limits import CONFIRM, MAILS_TO, RESET_FROM, SIGN_UP, WRITES, enforce, limited, limiter, refund, take_all
from app.problems import Problem

_KINDS: Final[dict[str, LinkKind]] = {"signup": "signup", "recovery": "recovery", "email_change": "email_change"}
_MAILED: Final = "over_email_send_rate_limit"
"""Supabase Auth sent an e-mail to this address a moment ago. It does so only for an account that exists."""
_RECOVERING: Final = "recovering_until"
_RECOVERY_SECONDS: Final = 900
"""Time to choose a new password after the link of the e-mail was used."""


@desk.get("/sign-up")
def sign_up_form() -> ResponseReturnValue:
    """Show the empty form."""
    return render_template("sign_up.html", email="", mistake="")


@desk.post("/sign-up")
def sign_up() -> ResponseReturnValue:
    """Create an account. Signs in, or asks the user to open the link in an e-mail."""
    csrf.protect()
    email, password = request.form.get("email", "").strip(), request.form.get("password", "")
    if mistake := address_mistake(email) or password_mistake(password):
        return _sign_up_page(email, mistake)
    try:
        opened = _account_for(email, password)
    except AccountRefusedError as error:
        return _sign_up_page(email, refusal_text(error))
    except (Problem, DatabaseUnavailableError) as error:
        return shown_again("sign_up.html", error, email=email[:MAX_LENGTH])
    if opened is None:
        return _mail_sent(email, "Confirm your e-mail address")
    sessions.start(opened)
    flash(Notice("Your account is ready."))
    return redirect(url_for("desk.work"), HTTPStatus.SEE_OTHER)


def _account_for(email: str, password: str) -> Session | None:
    """Create the account. Returns None if an e-mail was sent; that takes the same time whether or not there was one."""
    started, account = time.monotonic(), audit.account(email)
    counted = [(SIGN_UP, network_of(client_address())), (MAILS_TO, account)]
    enforce(take_all(counted), "sign-up", account=account)
    try:
        opened = sessions.database().accounts.sign_up(email, password, address=client_address())
    except AccountRefusedError as error:
        pad(started)
        if error.code == _MAILED:
            return None
        audit.record("sign-up", "refused", account=account)
        raise
    except DatabaseUnavailableError:
        refund(counted)
        raise
    audit.record("sign-up", "ok", account=account)
    if opened is None:
        pad(started)
    return opened


def _sign_up_page(email: str, mistake: str) -> ResponseReturnValue:
    page = render_template("sign_up.html", email=email[:MAX_LENGTH], mistake=mistake)
    return page, HTTPStatus.UNPROCESSABLE_ENTITY


@desk.get("/forgot-password")
def forgot_password() -> ResponseReturnValue:
    """Show the form that asks for an e-mail with a link."""
    return render_template("forgot_password.html", email="", mistake="")


@desk.post("/forgot-password")
def send_reset() -> ResponseReturnValue:
    """Send the e-mail. The answer and its time are the same whether or not there is such an account."""
    csrf.protect()
    email = request.form.get("email", "").strip()
    if mistake := address_mistake(email):
        page = render_template("forgot_password.html", email=email[:MAX_LENGTH], mistake=mistake)
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    try:
        _send_reset(email)
    except (Problem, DatabaseUnavailableError) as error:
        return shown_again("forgot_password.html", error, email=email)
    return _mail_sent(email, "Check your e-mail")


def _send_reset(email: str) -> None:
    started, account = time.monotonic(), audit.account(email)
    counted = [(RESET_FROM, network_of(client_address())), (MAILS_TO, account)]
    enforce(take_all(counted), "reset", account=account)
    try:
        sessions.database().accounts.send_reset(email, address=client_address())
        audit.record("reset", "ok", account=account)
    except AccountRefusedError:
        audit.record("reset", "refused", account=account)
    except DatabaseUnavailableError:
        refund(counted)
        raise
    pad(started)


def _mail_sent(email: str, title: str) -> ResponseReturnValue:
    return render_template("mail_sent.html", email=email, title=title)


@desk.get("/confirm")
def confirm_form() -> ResponseReturnValue:
    """Show the button that uses the link. A mail scanner that opens the link does therefore not use it up."""
    kind, token = _KINDS.get(request.args.get("type", "")), request.args.get("token_hash", "")
    if kind is None or not 0 < len(token) <= MAX_LENGTH:
        return _expired()
    return render_template("confirm.html", kind=kind, token_hash=token)


@desk.post("/confirm")
def confirm() -> ResponseReturnValue:
    """Use the link of an e-mail, which works once."""
    csrf.protect()
    kind, token = _KINDS.get(request.form.get("type", "")), request.form.get("token_hash", "")
    enforce(limiter().take(CONFIRM, network_of(client_address())), "confirm")
    if kind is None or not 0 < len(token) <= MAX_LENGTH:
        return _expired()
    try:
        opened = sessions.database().accounts.confirm(token, kind, address=client_address())
    except AccountRefusedError:
        audit.record("confirm", "refused")
        return _expired()
    audit.record("confirm", "ok", user=opened.user_id if opened else None)
    if opened is None:
        flash(Notice("This address is confirmed. Now open the link in the e-mail to the other address."))
        return redirect(url_for("desk.work"), HTTPStatus.SEE_OTHER)
    sessions.start(opened)
    if kind == "recovery":
        session[_RECOVERING] = int(time.time()) + _RECOVERY_SECONDS
        return redirect(url_for("desk.new_password"), HTTPStatus.SEE_OTHER)
    flash(Notice("Your e-mail address is confirmed."))
    return redirect(url_for("desk.work"), HTTPStatus.SEE_OTHER)


def _expired() -> ResponseReturnValue:
    return render_template("link_expired.html"), HTTPStatus.UNPROCESSABLE_ENTITY


@desk.get("/new-password")
@signed_in
def new_password() -> ResponseReturnValue:
    """Show the form for a new password, after the link of the e-mail was used."""
    if session.get(_RECOVERING, 0) < time.time():
        return redirect(url_for("desk.account"), HTTPStatus.SEE_OTHER)
    return render_template("new_password.html", mistake="")


@desk.post("/new-password")
@signed_in
@limited(WRITES)
def set_password() -> ResponseReturnValue:
    """Set the new password. The link has replaced the current one."""
    if session.get(_RECOVERING, 0) < time.time():
        flash(Notice("You used the link more than 15 minutes ago. Send yourself a new one.", "problem"))
        return redirect(url_for("desk.forgot_password"), HTTPStatus.SEE_OTHER)
    password = request.form.get("password", "")
    mistake = password_mistake(password) or change_password_of(current_user.token, password)
    if mistake:
        return render_template("new_password.html", mistake=mistake), HTTPStatus.UNPROCESSABLE_ENTITY
    del session[_RECOVERING]
    flash(Notice("Your password was changed. You were signed out everywhere else."))
    return redirect(url_for("desk.work"), HTTPStatus.SEE_OTHER)
