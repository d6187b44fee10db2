"""The sealed session cookie: what others can read of it, what is taken for one, its limits, and its attributes."""

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

from app.auth.cookies import IDLE_SECONDS, LONGEST_SECONDS, SealedSessions
from tests.auth.minting import NOW, Clock, claims, es256, hs256

KEY = "a secret key of these tests only"
TOKEN = hs256().token(claims())
ENTRIES = {"access_token": TOKEN, "refresh_token": "v1.refresh-me", "email": "seller@example.com", "tuple": ("a", "b")}
NAME = "asin_desk"


@pytest.fixture
def clock() -> Clock:
    """Return the clock that cookies are dated by."""
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


def answered(app: Flask, cookie: str, *, looks: bool = True) -> TestResponse:
    """Return the answer to a request with `cookie`, whose view looks at the session or does not."""
    app.view_functions["view"] = lambda: str(session.get("email")) if looks else ""
    return app.test_client(use_cookies=False).get("/", headers={"Cookie": f"{NAME}={cookie}"})


def set_by(app: Flask, change: Callable[[], object], *, cookie: str = "") -> str:
    """Return the Set-Cookie header of the answer to a request with `cookie`, whose view calls `change`."""
    app.view_functions["view"] = lambda: str(change())
    response = app.test_client(use_cookies=False).get("/", headers={"Cookie": f"{NAME}={cookie}"})
    return response.headers["Set-Cookie"]


def value_of(set_cookie: str) -> str:
    """Return the value of the cookie in a Set-Cookie header."""
    return set_cookie.split("=", 1)[1].split(";", maxsplit=1)[0]


def decodings(value: str) -> Iterator[bytes]:
    """Yield what a stranger can make of `value`: as it is, as Flask's own cookie, by base64, inflated at any place."""
    yield value.encode()
    with contextlib.suppress(BadData):
        yield repr(URLSafeSerializer("?").loads_unsafe(value)).encode()
    for part in (value, *value.split(".")):
        try:
            raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        except (binascii.Error, ValueError):
            continue
        yield raw
        for place in range(len(raw)):
            for wbits in (-15, 15):
                try:
                    yield zlib.decompressobj(wbits).decompress(raw[place:])
                except zlib.error:
                    continue


def test_what_was_sealed_comes_back(sealed: SealedSessions) -> None:
    """With the types that Flask's own sessions keep."""
    found = sealed.unseal(sealed.seal(ENTRIES))
    assert ENTRIES.items() <= found.items()
    assert not found.modified


def test_nobody_can_read_the_tokens_or_the_address(app: Flask, sealed: SealedSessions) -> None:
    """No decoding of the cookie shows any of them; the same decodings find all of them in Flask's own cookie."""
    needles = [ENTRIES["refresh_token"], ENTRIES["email"], *TOKEN.split(".")]
    everything = b"\n".join(decodings(sealed.seal(ENTRIES)))
    assert not any(str(needle).encode() in everything for needle in needles)
    app.session_interface = SecureCookieSessionInterface()
    readable = b"\n".join(decodings(value_of(set_by(app, lambda: session.update(ENTRIES)))))
    assert all(str(needle).encode() in readable for needle in needles)


def test_two_cookies_with_the_same_content_are_different(sealed: SealedSessions) -> None:
    """Nothing can be learned by comparing."""
    assert sealed.seal(ENTRIES) != sealed.seal(ENTRIES)


def test_what_is_not_a_cookie_of_ours_is_quietly_no_session(sealed: SealedSessions, clock: Clock) -> None:
    """Changed in any byte, cut anywhere, sealed with another key, signed as Flask does, made up: never an error."""
    good = sealed.seal(ENTRIES)
    raw = base64.urlsafe_b64decode(good)
    changed = (raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :] for place in range(len(raw)))
    bad = [
        *(base64.urlsafe_b64encode(text).decode() for text in changed),
        *(good[:length] for length in range(len(good))),
        SealedSessions(KEY + "!", clock=clock).seal(ENTRIES),
        URLSafeSerializer(KEY, salt="cookie-session").dumps(ENTRIES),
        "é", "\udcff", "gAAAA", "\0", "." * 4000, "A" * 100_000,
    ]  # fmt: skip
    assert [value for value in bad if sealed.unseal(value)] == []


def test_an_unused_session_ends_after_twelve_hours(sealed: SealedSessions, clock: Clock) -> None:
    """The idle limit."""
    cookie = sealed.seal(ENTRIES)
    clock.advance(IDLE_SECONDS)
    assert sealed.unseal(cookie)
    clock.advance(1)
    assert not sealed.unseal(cookie)


def test_a_session_ends_after_seven_days_however_much_it_is_used(
    app: Flask, sealed: SealedSessions, clock: Clock
) -> None:
    """The absolute limit: it is used every hour, and every hour its cookie is made anew."""
    cookie = sealed.seal(ENTRIES)
    for _ in range(LONGEST_SECONDS // 3600):
        clock.advance(3600)
        assert sealed.unseal(cookie)["email"] == ENTRIES["email"]
        cookie = value_of(answered(app, cookie).headers["Set-Cookie"])
    clock.advance(1)
    assert not sealed.unseal(cookie)


def test_use_is_noted_at_most_once_a_minute(app: Flask, sealed: SealedSessions, clock: Clock) -> None:
    """Most answers carry no cookie, and one to a request that looked at no session never does."""
    cookie = sealed.seal(ENTRIES)
    clock.advance(59)
    assert "Set-Cookie" not in answered(app, cookie).headers
    clock.advance(1)
    assert "Set-Cookie" not in answered(app, cookie, looks=False).headers
    renewed = value_of(answered(app, cookie).headers["Set-Cookie"])
    assert sealed.unseal(renewed).items() == sealed.unseal(cookie).items()
    assert "Set-Cookie" not in answered(app, renewed).headers


def test_a_session_that_starts_anew_has_its_days_before_it(app: Flask, sealed: SealedSessions, clock: Clock) -> None:
    """Signing in empties the session first, so the limit counts from there."""
    cookie = sealed.seal({})
    clock.advance(3600)

    def sign_in() -> None:
        session.clear()
        session["email"] = "seller@example.com"

    assert sealed.unseal(value_of(set_by(app, sign_in, cookie=cookie)))["started"] == NOW + 3600


def test_the_largest_session_fits_into_what_browsers_keep(sealed: SealedSessions) -> None:
    """4 096 bytes for name and value (RFC 6265 §6.1): a hosted project's token and a notice about fifty deals."""
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
        "ticked": (),
        "stage": "researching",
    }
    entries = {
        "access_token": token, "refresh_token": "r4nd0mr3fr3shT0k3n12ab", "expires_at": NOW + 3600,
        "email": hosted["email"], "csrf_token": "6a" * 20, "notice": notice,
    }  # fmt: skip
    assert len(f"__Host-asin_desk={sealed.seal(entries)}") < 4_000


def test_an_emptied_session_takes_its_cookie_along(app: Flask, sealed: SealedSessions) -> None:
    """With the attributes it was set with, without which a browser would keep it."""
    app.config["SESSION_COOKIE_SECURE"] = True

    def sign_out() -> None:
        session.clear()

    header = set_by(app, sign_out, cookie=sealed.seal(ENTRIES))
    assert header.startswith(f"{NAME}=;")
    for attribute in ("Max-Age=0", "Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert attribute in header
