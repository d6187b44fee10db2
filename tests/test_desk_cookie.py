"""The session cookie of the running app: encrypted, and limited to its host in production."""

import pytest
from flask import Flask

from config import Settings
from tests.auth.test_cookies import decodings
from tests.sellers import Seller, running_app
from tests.visitors import Visitor


def test_the_cookie_reveals_neither_tokens_nor_the_e_mail_address(visitor: Visitor, seller: Seller, app: Flask) -> None:
    """No decoding of the cookie reveals any of them."""
    contents = visitor.session(app)
    everything = b"\n".join(decodings(visitor.http.cookies["asin_desk"]))
    secrets = [
        contents["refresh_token"],
        contents["csrf_token"],
        seller.email,
        seller.id,
        *contents["access_token"].split("."),
    ]
    assert [secret for secret in secrets if secret.encode() in everything] == []


@pytest.mark.parametrize("value", ["", "x", "é", "gAAAAA", "..", '"', "A" * 4000])
def test_an_invalid_cookie_is_no_session(visitor: Visitor, value: str) -> None:
    """Parts of a valid cookie are refused too. None of them causes an error."""
    good = visitor.http.cookies["asin_desk"]
    for cookie in (value, good[:-8], good[8:], good.swapcase(), f"{good}; asin_desk={value}"):
        visitor.http.cookies.clear()
        answer = visitor.http.get("/", headers={b"Cookie": f"asin_desk={cookie}".encode()})
        assert answer.is_redirect is not cookie.startswith(good), cookie


def test_in_production_the_cookie_has_the_host_prefix(settings: Settings) -> None:
    """Browsers accept the prefix `__Host-` only over HTTPS, for the whole host, and only from that host."""
    production = {"app_env": "production", "secret_key": "0123456789abcdef" * 4}
    with running_app(Settings.model_validate({**settings.model_dump(), **production})) as app:
        cookie = app.test_client().get("/sign-in").headers["Set-Cookie"]
    name, *attributes = cookie.split("; ")
    assert name.startswith("__Host-asin_desk=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} == set(attributes)
