"""The encrypted session cookie: confidentiality, validation, time limits and attributes."""

import base64
import binascii
import contextlib
import zlib
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from flask import Flask, session
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import BadData, URLSafeSerializer
from werkzeug.test import TestResponse

from app.auth.cookies import BACKGROUND, IDLE_SECONDS, LONGEST_SECONDS, SealedSessions
from tests.auth.minting import NOW, Clock, claims, es256, hs256

KEY = "a secret key of these tests only"
TOKEN = hs256().token(claims())
ENTRIES = {"access_token": TOKEN, "refresh_token": "v1.refresh-me", "email": "seller@example.com", "tuple": ("a", "b")}
NAME = "asin_desk"


@pytest.fixture
def clock() -> Clock:
    """Return the clock for the timestamps in cookies."""
    return Clock()


@pytest.fixture
def sealed(clock: Clock) -> SealedSessions:
    """Return the session interface under test."""
    return SealedSessions(KEY, clock=clock)


@pytest.fixture
def app(sealed: SealedSessions) -> Flask:
    """Return an application with these sessions."""
    app = Flask("cookies")
    app.config.update(SECRET_KEY=KEY, SESSION_COOKIE_NAME=NAME, SESSION_COOKIE_SAMESITE="Lax")
    app.session_interface = sealed
    app.add_url_rule("/", endpoint="view")
    return app


def respond(
    app: Flask, cookie: str, *, reads_session: bool = True, headers: dict[str, str] | None = None
) -> TestResponse:
    """Return the answer to a request with `cookie`. The view reads the session only if `reads_session`."""
    app.view_functions["view"] = lambda: str(session.get("email")) if reads_session else ""
    return app.test_client(use_cookies=False).get("/", headers={"Cookie": f"{NAME}={cookie}", **(headers or {})})


def set_by(app: Flask, change: Callable[[], object], *, cookie: str = "", **headers: str) -> str:
    """Return the Set-Cookie header of a request with `cookie` to a view that calls `change`."""
    app.view_functions["view"] = lambda: str(change())
    response = app.test_client(use_cookies=False).get("/", headers={"Cookie": f"{NAME}={cookie}", **headers})
    return response.headers["Set-Cookie"]


def value_of(set_cookie: str) -> str:
    """Return the value of the cookie in a Set-Cookie header."""
    return set_cookie.split("=", 1)[1].split(";", maxsplit=1)[0]


def decodings(value: str) -> Iterator[bytes]:
    """Yield all decodings of `value`: unchanged, as Flask's cookie, base64, and decompressed from any offset."""
    yield value.encode()
    with contextlib.suppress(BadData):
        yield repr(URLSafeSerializer("?").loads_unsafe(value)).encode()
    for part in (value, *value.split(".")):
        try:
            raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        except (binascii.Error, ValueError):
            continue
        yield raw
        for offset in range(len(raw)):
            for wbits in (-15, 15):
                try:
                    yield zlib.decompressobj(wbits).decompress(raw[offset:])
                except zlib.error:
                    continue


def test_a_session_survives_encryption_and_decryption(sealed: SealedSessions) -> None:
    """Types that Flask's own sessions keep are kept."""
    found = sealed.unseal(sealed.seal(ENTRIES))
    assert ENTRIES.items() <= found.items()
    assert not found.modified


def test_tokens_and_address_cannot_be_read_from_the_cookie(app: Flask, sealed: SealedSessions) -> None:
    """No decoding reveals any of them. The same decodings find all of them in Flask's own cookie."""
    needles = [ENTRIES["refresh_token"], ENTRIES["email"], *TOKEN.split(".")]
    everything = b"\n".join(decodings(sealed.seal(ENTRIES)))
    assert not any(str(needle).encode() in everything for needle in needles)
    app.session_interface = SecureCookieSessionInterface()
    readable = b"\n".join(decodings(value_of(set_by(app, lambda: session.update(ENTRIES)))))
    assert all(str(needle).encode() in readable for needle in needles)


def test_two_cookies_with_the_same_content_are_different(sealed: SealedSessions) -> None:
    """Comparing cookies reveals nothing."""
    assert sealed.seal(ENTRIES) != sealed.seal(ENTRIES)


def test_an_invalid_cookie_is_an_empty_session(sealed: SealedSessions, clock: Clock) -> None:
    """Modified, truncated, encrypted with another key, signed by Flask, or arbitrary text: never an error."""
    good = sealed.seal(ENTRIES)
    raw = base64.urlsafe_b64decode(good)
    changed = (raw[:offset] + bytes([raw[offset] ^ 1]) + raw[offset + 1 :] for offset in range(len(raw)))
    bad = [
        *(base64.urlsafe_b64encode(text).decode() for text in changed),
        *(good[:length] for length in range(len(good))),
        SealedSessions(KEY + "!", clock=clock).seal(ENTRIES),
        URLSafeSerializer(KEY, salt="cookie-session").dumps(ENTRIES),
        "é", "\udcff", "gAAAA", "\0", "." * 4000, "A" * 100_000,
    ]  # fmt: skip
    assert [value for value in bad if sealed.unseal(value)] == []


def test_an_unused_session_ends_after_twelve_hours(sealed: SealedSessions, clock: Clock) -> None:
    """Twelve hours without a request are the limit for idle sessions."""
    cookie = sealed.seal(ENTRIES)
    clock.advance(IDLE_SECONDS)
    assert sealed.unseal(cookie)
    clock.advance(1)
    assert not sealed.unseal(cookie)


def test_a_session_in_use_ends_after_seven_days(app: Flask, sealed: SealedSessions, clock: Clock) -> None:
    """The absolute limit, for a session that is used and renewed every hour."""
    cookie = sealed.seal(ENTRIES)
    for _ in range(LONGEST_SECONDS // 3600):
        clock.advance(3600)
        assert sealed.unseal(cookie)["email"] == ENTRIES["email"]
        cookie = value_of(respond(app, cookie).headers["Set-Cookie"])
    clock.advance(1)
    assert not sealed.unseal(cookie)


def test_a_session_in_use_is_renewed_at_most_once_a_minute(app: Flask, sealed: SealedSessions, clock: Clock) -> None:
    """Most answers set no cookie. Answers of views that do not read the session never do."""
    cookie = sealed.seal(ENTRIES)
    clock.advance(59)
    assert "Set-Cookie" not in respond(app, cookie).headers
    clock.advance(1)
    assert "Set-Cookie" not in respond(app, cookie, reads_session=False).headers
    renewed = value_of(respond(app, cookie).headers["Set-Cookie"])
    assert sealed.unseal(renewed).items() == sealed.unseal(cookie).items()
    assert "Set-Cookie" not in respond(app, renewed).headers


def test_requests_in_the_background_do_not_prolong_a_session(app: Flask, sealed: SealedSessions, clock: Clock) -> None:
    """Not even one that renews the access token: the new cookie ends when the old one would have ended."""
    cookie, background = sealed.seal(ENTRIES), {BACKGROUND: "numbers"}
    clock.advance(3600)
    assert "Set-Cookie" not in respond(app, cookie, headers=background).headers
    renewed = value_of(set_by(app, lambda: session.update(access_token="new"), cookie=cookie, **background))
    clock.advance(IDLE_SECONDS - 3600)
    assert sealed.unseal(renewed)["access_token"] == "new"
    clock.advance(1)
    assert not sealed.unseal(renewed)


def test_signing_in_restarts_the_limit_of_seven_days(app: Flask, sealed: SealedSessions, clock: Clock) -> None:
    """Signing in clears the session first, so the limit starts again."""
    cookie = sealed.seal({})
    clock.advance(3600)

    def sign_in() -> None:
        session.clear()
        session["email"] = "seller@example.com"

    assert sealed.unseal(value_of(set_by(app, sign_in, cookie=cookie)))["started"] == NOW + 3600


def test_the_largest_session_fits_into_a_cookie(sealed: SealedSessions) -> None:
    """Below 4096 bytes (RFC 6265 §6.1) with a hosted project's token and a notice about fifty deals."""
    metadata = {"provider": "email", "providers": ["email"], "name": "A Seller of Many Things", "id": str(uuid4())}
    amr = [{"method": "password", "timestamp": NOW}]
    hosted = claims(
        email=f"{'seller' * 10}@marketplace.example.com", aal="aal1", amr=amr, phone="", is_anonymous=False,
        app_metadata=metadata, user_metadata={**metadata, "sub": str(uuid4()), "email_verified": True, "a": "x1" * 40},
    )  # fmt: skip
    token = es256(str(uuid4())).token(hosted)
    assert len(token) > 1_200
    notice = {
        "text": "50 of the 50 deals have been deleted, perhaps in another tab. Nothing was changed." * 2,
        "tone": "problem",
        "undo": tuple(str(uuid4()) for _ in range(50)),
        "selected": (),
        "stage": "researching",
    }
    entries = {
        "access_token": token, "refresh_token": "r4nd0mr3fr3shT0k3n12ab", "expires_at": NOW + 3600,
        "email": hosted["email"], "csrf_token": "6a" * 20, "notice": notice,
    }  # fmt: skip
    assert len(f"__Host-asin_desk={sealed.seal(entries)}") < 4_000


def test_clearing_the_session_deletes_its_cookie(app: Flask, sealed: SealedSessions) -> None:
    """The header that deletes the cookie has the same attributes; otherwise a browser would keep the cookie."""
    app.config["SESSION_COOKIE_SECURE"] = True

    def sign_out() -> None:
        session.clear()

    header = set_by(app, sign_out, cookie=sealed.seal(ENTRIES))
    assert header.startswith(f"{NAME}=;")
    for attribute in ("Max-Age=0", "Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert attribute in header
