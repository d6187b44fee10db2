"""The page of the user's account, and its changes."""

import time
from http import HTTPStatus
from typing import Final

from flask import redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from app import audit
from app.auth import current_user
from app.database import AccountRefusedError
from app.desk import currencies, sessions
from app.desk.account_rules import address_mistake, password_mistake, refusal_text
from app.desk.blueprint import desk
from app.desk.guessing import attempt, pad
from app.desk.notices import Notice, flash
from app.desk.sessions import signed_in
from app.limits import EMAIL_CHANGES, WRITES, enforce, limited, limiter

_TAKEN: Final = "email_exists"
"""Another account has this address."""


@desk.get("/account")
@signed_in
def account() -> ResponseReturnValue:
    """Show the account."""
    return _account_page()


def _account_page(*, mistakes: dict[str, str] | None = None, email: str = "") -> ResponseReturnValue:
    page = render_template("account.html", mistakes=mistakes or {}, email=email, currencies=currencies.CURRENCIES)
    return page, HTTPStatus.UNPROCESSABLE_ENTITY if mistakes else HTTPStatus.OK


@desk.post("/account/password")
@signed_in
@limited(WRITES)
def change_password() -> ResponseReturnValue:
    """Change the password. It asks for the current one, in case the user has left the browser open."""
    password = request.form.get("password", "")
    if mistake := password_mistake(password):
        return _account_page(mistakes={"password": mistake})
    opened = attempt(session.get("email", ""), request.form.get("current", ""))
    if opened is None:
        return _account_page(mistakes={"current": "This is not your current password."})
    sessions.start(opened)  # replaces the previous one, so that neither stays open unused
    if mistake := change_password_of(opened.access_token, password):
        return _account_page(mistakes={"password": mistake})
    flash(Notice("Your password was changed. You were signed out everywhere else."))
    return redirect(url_for("desk.account"), HTTPStatus.SEE_OTHER)


def change_password_of(token: str, password: str) -> str:
    """Change the password of the current user. Returns why that was refused, or an empty text."""
    try:
        sessions.database().accounts.change(token, password=password)
    except AccountRefusedError as error:
        audit.record("account.password", "refused", user=current_user.user_id)
        return refusal_text(error)
    audit.record("account.password", "ok", user=current_user.user_id)
    return ""


@desk.post("/account/email")
@signed_in
@limited(WRITES)
def change_email() -> ResponseReturnValue:
    """Ask for a new e-mail address. It is used after the user has opened the link in the e-mail.

    The answer does not tell whether another account has the address.
    """
    email = request.form.get("email", "").strip()
    if mistake := address_mistake(email):
        return _account_page(mistakes={"email": mistake}, email=email)
    user = current_user.user_id
    enforce(limiter().take(EMAIL_CHANGES, f"user:{user}"), "account.email", user=user)
    started = time.monotonic()
    try:
        sessions.database().accounts.change(current_user.token, email=email)
        audit.record("account.email", "ok", user=user)
    except AccountRefusedError as error:
        audit.record("account.email", "refused", user=user)
        if error.code != _TAKEN:
            return _account_page(mistakes={"email": refusal_text(error)}, email=email)
    pad(started)
    flash(Notice("If this address can be used, e-mails are on their way. Open the links in them to confirm it."))
    return redirect(url_for("desk.account"), HTTPStatus.SEE_OTHER)


@desk.post("/account/currency")
@signed_in
@limited(WRITES)
def change_currency() -> ResponseReturnValue:
    """Change the currency that amounts are shown in."""
    code = request.form.get("currency", "")
    if code not in currencies.CURRENCIES:
        return _account_page(mistakes={"currency": "Choose one of these currencies."})
    try:
        sessions.database().accounts.set_currency(current_user.token, code)
    except AccountRefusedError as error:
        return _account_page(mistakes={"currency": refusal_text(error)})
    currencies.keep(code)
    flash(Notice(f"Amounts are now shown in {code}."))
    return redirect(url_for("desk.account"), HTTPStatus.SEE_OTHER)


@desk.post("/account/sign-out-everywhere")
@signed_in
@limited(WRITES)
def sign_out_everywhere() -> ResponseReturnValue:
    """End all sessions of the user, on all devices."""
    user = current_user.user_id
    try:
        sessions.database().accounts.end_all_sessions(current_user.token)
    except AccountRefusedError:  # this session has ended already
        audit.record("sign-out-everywhere", "refused", user=user)
        session.clear()
        flash(Notice("Your session has ended. To end the others, sign in and try again.", "problem"))
        return redirect(url_for("desk.sign_in"), HTTPStatus.SEE_OTHER)
    audit.record("sign-out-everywhere", "ok", user=user)
    session.clear()
    flash(Notice("You are signed out on all devices."))
    return redirect(url_for("desk.sign_in"), HTTPStatus.SEE_OTHER)
