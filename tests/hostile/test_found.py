"""What the generator has found: each of these was a failure once."""

import pytest

from local.application import AppServer
from tests.hostile.attempts import Attempt, Headers, rendered
from tests.hostile.judge import mistakes
from tests.hostile.wire import Line
from tests.sellers import STATS, Seller
from tests.visitors import new_visitor

_NAMELESS = b"--frontier\r\nContent-Disposition: form-data\r\n\r\nx\r\n--frontier--\r\n"
_MULTIPART = ("Content-Type", "multipart/form-data; boundary=frontier")


def _status(server: AppServer, attempt: Attempt) -> int:
    """Return the status of the one answer, which is in order."""
    with Line(server.port) as line:
        answers = line.ask(attempt)
    assert mistakes(attempt, answers, []) == []
    return answers[0].status


def test_if_match_does_not_make_an_error_of_the_numbers(server: AppServer, seller: Seller) -> None:
    """That header is for changes; Werkzeug answered 412 with the numbers as the error's body."""
    headers: Headers = [("Authorization", f"Bearer {seller.token}"), ("If-None-Match", '"x"'), ("If-Match", '"y"')]
    assert _status(server, Attempt("found", rendered("GET", STATS, headers))) == 200


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/desk/products/new"])
def test_a_form_with_a_nameless_field_is_a_bad_request(server: AppServer, seller: Seller, path: str) -> None:
    """With a session and without: Flask-WTF looks for the CSRF token among the names."""
    with new_visitor(server.url) as visitor:
        visitor.signs_in(seller)
        cookie: Headers = [("Cookie", visitor.http.build_request("GET", "/").headers["Cookie"])]
    for headers in ([], cookie):
        attempt = Attempt("found", rendered("POST", path, [_MULTIPART, *headers], _NAMELESS), "POST")
        expected = 303 if path.startswith("/desk") and not headers else 400
        assert _status(server, attempt) == expected
