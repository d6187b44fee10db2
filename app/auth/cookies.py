"""The browser's session: one cookie that only this application can read, with an absolute and an idle limit.

OWASP's Session Management Cheat Sheet asks for both limits, and for the prefix `__Host-` that the factory gives the
cookie in production: browsers then take it over HTTPS only, from this very host, for all of its paths.
"""

import base64
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, Request, Response
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSession, SessionInterface, SessionMixin

IDLE_SECONDS: Final = 12 * 3600
"""A session nobody used for so long is over: a working day is shorter, and a night ends it."""

LONGEST_SECONDS: Final = 7 * 24 * 3600
"""However much it is used, a session is over then: a stolen cookie is not good for ever."""

_REISSUE_SECONDS: Final = 60  # activity is noted in the cookie at most this often: most answers need no new one
_STARTED: Final = "started"
_PURPOSE: Final = b"asin-desk session cookie"  # binds the derived key to this one use (RFC 5869 §3.2)
_JSON: Final = TaggedJSONSerializer()


class SealedSession(SecureCookieSession):
    """A session that knows when its cookie was made: epoch seconds; 0 when it came without one."""

    issued_at = 0


class SealedSessions(SessionInterface):
    """Keep each session in a cookie, encrypted and authenticated (Fernet: AES-128-CBC and HMAC-SHA256).

    The key is derived from SECRET_KEY by HKDF (RFC 5869). The only thing others can read is when the cookie was made.
    A cookie that is not ours, was changed, or is past a limit is the same as none.
    """

    def __init__(self, secret_key: str, *, clock: Callable[[], float] = time.time) -> None:
        """Derive the key from `secret_key`. `clock` returns epoch seconds."""
        key = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._clock = clock

    def open_session(self, app: Flask, request: Request) -> SealedSession:
        """Return the session of the cookie, or an empty one. Without a cookie this costs next to nothing."""
        name = app.config["SESSION_COOKIE_NAME"]
        if name not in request.environ.get("HTTP_COOKIE", ""):
            return SealedSession()
        return self.unseal(request.cookies.get(name, ""))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Send the session back if it was changed, or used and not noted for a minute; drop the cookie of an empty one.

        A session that nobody looked at is left alone, as programs with bearer tokens do.
        """
        if not (session.accessed or session.modified):
            return
        response.vary.add("Cookie")
        name, attributes = self.get_cookie_name(app), self._attributes(app)
        if session and (session.modified or self._is_due(session)):
            response.set_cookie(name, self.seal(session), **attributes)
        elif session.modified:
            response.delete_cookie(name, **attributes)

    def seal(self, entries: Mapping[str, Any]) -> str:
        """Return the value of a cookie that holds `entries`, made now; they keep when their session started.

        They are compressed, for browsers keep 4 KB. The length gives nothing away: only the user, with a form that
        carries their CSRF token, can choose what is compressed beside the tokens.
        """
        now = int(self._clock())
        plain = zlib.compress(_JSON.dumps({_STARTED: now, **entries}).encode(), level=9)
        return self._fernet.encrypt_at_time(plain, now).decode()

    def unseal(self, value: str) -> SealedSession:
        """Return the session that `value` holds; an empty one if it is not a good cookie of ours any more."""
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
