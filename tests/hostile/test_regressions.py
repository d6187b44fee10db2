"""Regression tests of defects that the generator has found."""

import pytest

from local.application import AppServer
from tests.hostile.attempts import Attempt, Headers, render_request
from tests.hostile.connection import Connection
from tests.hostile.oracle import violations
from tests.sellers import STATS, Seller
from tests.visitors import new_visitor

_NAMELESS = b"--frontier\r\nContent-Disposition: form-data\r\n\r\nx\r\n--frontier--\r\n"
_MULTIPART = ("Content-Type", "multipart/form-data; boundary=frontier")


def _status(server: AppServer, attempt: Attempt) -> int:
    """Return the status of the only answer, after checking that the answer has no violations."""
    with Connection(server.port) as connection:
        answers = connection.send(attempt)
    assert violations(attempt, answers, []) == []
    return answers[0].status


def test_if_match_has_no_effect_on_the_stats_view(server: AppServer, seller: Seller) -> None:
    """The header applies only to changes. Werkzeug answered 412 with the stats as the body of the error."""
    headers: Headers = [("Authorization", f"Bearer {seller.token}"), ("If-None-Match", '"x"'), ("If-Match", '"y"')]
    assert _status(server, Attempt("regression", render_request("GET", STATS, headers))) == 200


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/desk/products/new"])
def test_form_with_a_nameless_field_is_a_bad_request(server: AppServer, seller: Seller, path: str) -> None:
    """With and without a session. Flask-WTF searches the field names for the CSRF token."""
    with new_visitor(server.url) as visitor:
        visitor.signs_in(seller)
        cookie: Headers = [("Cookie", visitor.http.build_request("GET", "/").headers["Cookie"])]
    for headers in ([], cookie):
        attempt = Attempt("regression", render_request("POST", path, [_MULTIPART, *headers], _NAMELESS), "POST")
        expected = 303 if path.startswith("/desk") and not headers else 400
        assert _status(server, attempt) == expected
