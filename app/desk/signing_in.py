"""The pages for signing in and out."""

from http import HTTPStatus

from flask import current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from app import audit
from app.auth import SESSION_TOKEN, Auth, InvalidTokenError, KeysUnavailableError
from app.database import DatabaseUnavailableError
from app.desk import sessions
from app.desk.blueprint import desk, local_path
from app.desk.guessing import MAX_LENGTH, attempt
from app.desk.held import shown_again, unsealed
from app.desk.notices import Notice, flash
from app.extensions import csrf
from app.problems import Problem, unavailable


@desk.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Show the form. Users who are signed in already are redirected to the desk."""
    if sessions.is_open():
        return redirect(local_path(request.args.get("next")))
    return render_template("sign_in.html", email="", mistake="")


@desk.post("/sign-in")
def open_session() -> ResponseReturnValue:
    """Sign in with e-mail address and password, and redirect to the page requested before, if it is on this host."""
    csrf.protect()
    email, password = request.form.get("email", "").strip(), request.form.get("password", "")
    held = request.form.get("held", "")
    try:
        opened = attempt(email, password)
    except (Problem, DatabaseUnavailableError) as error:
        return shown_again("sign_in.html", error, email=email[:MAX_LENGTH], held=held)
    if opened is None:
        wrong = "E-mail or password is incorrect."
        page = render_template("sign_in.html", email=email[:MAX_LENGTH], mistake=wrong, held=held)
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    sessions.start(opened)
    return _offer_held(held) if held else _go_on()


def _offer_held(text: str) -> ResponseReturnValue:
    """Offer the form that met the end of the session, if the same user has signed in."""
    held = unsealed(text)
    if held is None:
        flash(Notice("You are signed in. The form from before was not saved; please fill it in again.", "problem"))
        return _go_on()
    return render_template("send_again.html", held=held)


def _go_on() -> ResponseReturnValue:
    return redirect(local_path(request.args.get("next")), HTTPStatus.SEE_OTHER)


@desk.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End the session, also at Supabase. If Supabase does not confirm it, offer another attempt."""
    csrf.protect()
    audit.record("sign-out", "ok", user=_verified_user())
    try:
        sessions.end()
    except DatabaseUnavailableError as error:
        return render_template("sign_out_again.html"), HTTPStatus.SERVICE_UNAVAILABLE, unavailable(error).headers
    flash(Notice("You are signed out."))
    return redirect(url_for("desk.sign_in"), HTTPStatus.SEE_OTHER)


def _verified_user() -> str | None:
    """Return the user of the session for the audit log, but only if its token is valid."""
    token = session.get(SESSION_TOKEN)
    auth: Auth = current_app.extensions["auth"]
    try:
        return auth.verifier.verify(token).user_id if isinstance(token, str) else None
    except (InvalidTokenError, KeysUnavailableError):
        return None
