"""Sign in and out."""

from http import HTTPStatus

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.database import DatabaseUnavailableError
from app.desk import links, sessions
from app.desk.blueprint import desk
from app.desk.notices import Notice, leave
from app.extensions import csrf
from app.problems import unavailable

_LONGEST = 1000  # characters of an e-mail address or a password that are worth asking the database about


@desk.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Show the form; who is signed in goes on to the desk."""
    if sessions.is_open():
        return redirect(links.local(request.args.get("next")))
    return render_template("sign_in.html", email="", mistake="")


@desk.post("/sign-in")
def open_session() -> ResponseReturnValue:
    """Sign in with e-mail and password, and go where the visitor was heading if that is on this host."""
    csrf.protect()
    email, password = request.form.get("email", "").strip(), request.form.get("password", "")
    opened = sessions.database().sign_in(email, password) if _plausible(email, password) else None
    if opened is None:
        mistake = "This e-mail address and password do not belong together. Please check both."
        page = render_template("sign_in.html", email=email[:_LONGEST], mistake=mistake)
        return page, HTTPStatus.UNPROCESSABLE_ENTITY
    sessions.start(opened)
    return redirect(links.local(request.args.get("next")), HTTPStatus.SEE_OTHER)


@desk.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End the session, here and at Supabase; while Supabase cannot be told, offer to try again."""
    csrf.protect()
    try:
        sessions.end()
    except DatabaseUnavailableError as error:
        return render_template("sign_out_again.html"), HTTPStatus.SERVICE_UNAVAILABLE, unavailable(error).headers
    leave(Notice("You are signed out."))
    return redirect(url_for("desk.sign_in"), HTTPStatus.SEE_OTHER)


def _plausible(email: str, password: str) -> bool:
    return all(0 < len(text) <= _LONGEST and "\0" not in text for text in (email, password))
