"""Flask's session cookie, left alone by requests that have nothing to do with it."""

from flask import Flask, Request, Response
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin


class UnopenedSessions(SecureCookieSessionInterface):
    """Sessions as Flask keeps them, but a request without their cookie pays no signatures for them.

    Programs send bearer tokens and no cookie; making the signer alone costs as much as a look into Redis.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session of the cookie, or an empty one."""
        if app.config["SESSION_COOKIE_NAME"] not in request.environ.get("HTTP_COOKIE", ""):
            return self.session_class()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Send the session back, if anybody looked at it and so may have changed it."""
        if session.accessed or session.modified:
            super().save_session(app, session, response)
