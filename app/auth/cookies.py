"""The browser's session: one encrypted cookie with an idle limit and an absolute limit.

OWASP's Session Management Cheat Sheet requires both limits. It also requires the name prefix `__Host-`, which the
factory sets in production: browsers then accept the cookie only over HTTPS, from this host and for all paths.
"""

import base64
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, Request, Response, request
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSession, SessionInterface, SessionMixin

IDLE_SECONDS: Final = 12 * 3600
"""Idle limit. It is longer than a break within a working day, and shorter than from one evening to the next morning."""

LONGEST_SECONDS: Final = 7 * 24 * 3600
"""Absolute limit, even for a session in use, so that a stolen cookie expires."""

BACKGROUND: Final = "X-Background"
"""Header of a request that a script sends without the user. It does not prolong the session."""

_REISSUE_SECONDS: Final = 60  # a used cookie is renewed at most this often, so most responses do not set it
_STARTED: Final = "started"
_PURPOSE: Final = b"asin-desk session cookie"  # binds the derived key to this one use (RFC 5869 §3.2)
_JSON: Final = TaggedJSONSerializer()


class SealedSession(SecureCookieSession):
    """A session with `issued_at`: the time its cookie was created, in epoch seconds; 0 without a cookie."""

    issued_at = 0


class SealedSessions(SessionInterface):
    """Stores each session in an encrypted and authenticated cookie (Fernet: AES-128-CBC and HMAC-SHA256).

    The key is derived from SECRET_KEY by HKDF (RFC 5869). Others can read only the time the cookie was created. A
    cookie that is foreign, changed or past a limit counts as no cookie.
    """

    def __init__(self, secret_key: str, *, clock: Callable[[], float] = time.time) -> None:
        """Derive the key from `secret_key`. `clock` returns epoch seconds."""
        key = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._clock = clock

    def open_session(self, app: Flask, request: Request) -> SealedSession:
        """Return the session from the cookie, or an empty session. Without a cookie nothing is decrypted."""
        name = app.config["SESSION_COOKIE_NAME"]
        if name not in request.environ.get("HTTP_COOKIE", ""):
            return SealedSession()
        return self.unseal(request.cookies.get(name, ""))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Set the cookie if the session was changed, or used and a minute old. Delete the cookie of an empty session.

        A session that the request did not access is left unchanged. Requests with a bearer token do not access it. A
        request of a script in the background does not count as use. If it changes the session, because it renews the
        access token, then the new cookie has the age of the old one.
        """
        if not (session.accessed or session.modified):
            return
        response.vary.add("Cookie")
        name, attributes = self.get_cookie_name(app), self._attributes(app)
        used_at = _last_use(session) if BACKGROUND in request.headers else None
        if session and (session.modified or (used_at is None and self._is_due(session))):
            response.set_cookie(name, self.seal(session, used_at=used_at), **attributes)
        elif session.modified:
            response.delete_cookie(name, **attributes)

    def seal(self, entries: Mapping[str, Any], *, used_at: int | None = None) -> str:
        """Return the value of a cookie with `entries`. The start time of the session is kept.

        `used_at` is the time of the last use in epoch seconds, from which the idle limit counts; default: now.

        The entries are compressed, because browsers limit a cookie to 4 KB. The compressed length reveals nothing to
        an attacker: only the user's own forms, which carry a CSRF token, can add text next to the tokens.
        """
        now = int(self._clock())
        plain = zlib.compress(_JSON.dumps({_STARTED: now, **entries}).encode(), level=9)
        return self._fernet.encrypt_at_time(plain, now if used_at is None else used_at).decode()

    def unseal(self, value: str) -> SealedSession:
        """Return the session stored in `value`; an empty session if the cookie is invalid or past a limit."""
        now = int(self._clock())
        try:
            entries = _JSON.loads(zlib.decompress(self._fernet.decrypt_at_time(value, IDLE_SECONDS, now)).decode())
            issued_at = self._fernet.extract_timestamp(value)
        except (InvalidToken, ValueError):  # ValueError: it is not even ASCII
            return SealedSession()
        if now - entries[_STARTED] > LONGEST_SECONDS:
            return SealedSession()
        session = SealedSession(entries)
        session.issued_at = issued_at
        return session

    def _is_due(self, session: SessionMixin) -> bool:
        return isinstance(session, SealedSession) and self._clock() - session.issued_at >= _REISSUE_SECONDS

    def _attributes(self, app: Flask) -> dict[str, Any]:
        return {
            "path": self.get_cookie_path(app),
            "secure": self.get_cookie_secure(app),
            "httponly": self.get_cookie_httponly(app),
            "samesite": self.get_cookie_samesite(app),
        }


def _last_use(session: SessionMixin) -> int | None:
    """Return the time the cookie of the session was created; None for a session that has none yet."""
    return (session.issued_at or None) if isinstance(session, SealedSession) else None
