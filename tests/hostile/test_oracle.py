"""Tests of the oracle: it accepts correct answers, and finds one wrong answer or more for each rule."""

import io
import json
from typing import Any, Final

import pytest

from tests.clients import client
from tests.hostile.actors import Actor
from tests.hostile.attempts import Attempt, chunked, render_request
from tests.hostile.connection import Answer, MalformedAnswerError, read_answer
from tests.hostile.oracle import log_violations, violations
from tests.sellers import Seller
from tests.visitors import Visitor

_ID: Final = ("x-request-id", "r-1")
_JSON: Final = ("content-type", "application/problem+json")
_HTML: Final = ("content-type", "text/html; charset=utf-8")
_LINE: Final = '{"level": "INFO", "message": "Booting worker"}\n'


def _actor(number: int) -> Actor:
    http = client("http://127.0.0.1:1")
    seller = Seller(f"id-{number}", f"user-{number}@example.com", "a.b.c", http)
    return Actor(seller, Visitor(http), f"marker-{number}", "asin_desk=x", "csrf", ("p",), ("d",))


ME, OTHER = _actor(1), _actor(2)


def _problem(status: int, **changes: object) -> bytes:
    usual = {"type": "about:blank", "title": "No", "status": status, "detail": "No."}
    return json.dumps({**usual, **changes}).encode()


_CORRECT: Final = [
    Answer(200, (_ID,), b"marker-1"),
    Answer(404, (_ID, _JSON), _problem(404)),
    Answer(422, (_ID, _HTML), b"<html>&lt;xss-probe></html>\n"),
    Answer(303, (_ID, ("location", "/sign-in?next=https://evil.example/")), b""),
]
_WRONG: Final = [
    (Answer(500, (_ID, _JSON), _problem(500)), "it is a server error"),
    (Answer(501, (_ID, _JSON), _problem(501)), "it is a server error"),
    (Answer(200, (), b""), "it has no request id, or several"),
    (Answer(200, (_ID, _ID), b""), "it has no request id, or several"),
    (Answer(400, (_ID, ("content-type", "text/html")), b"<html></html>"), "neither a problem document nor a page"),
    (Answer(400, (_ID, _JSON), b"{}"), "neither a problem document nor a page"),
    (Answer(400, (_ID, _JSON), _problem(404)), "neither a problem document nor a page"),
    (Answer(400, (_ID, _JSON), _problem(400, detail="SQLSTATE 22P02")), "it reveals internals"),
    (Answer(303, (_ID, ("location", "//evil.example/")), b""), "it redirects to another site"),
    (Answer(303, (_ID, ("location", "http://evil.example/")), b""), "it redirects to another site"),
    (Answer(200, (_ID, ("x-injected", "1")), b""), "a header was injected"),
    (Answer(200, (_ID, _HTML), b"<xss-probe></html>"), "it contains unescaped markup"),
    (Answer(200, (_ID,), b"... marker-2 ..."), "it contains data of marker-2"),
    (Answer(200, (_ID, ("link", "</id-2>")), b""), "it contains data of marker-2"),
]


@pytest.mark.parametrize("answer", _CORRECT)
def test_correct_answer_has_no_violations(answer: Answer) -> None:
    """The author's own data, well-formed errors, and redirects within the site."""
    assert violations(Attempt("x", b"", author=ME), [answer], [ME, OTHER]) == []


@pytest.mark.parametrize(("answer", "violation"), _WRONG)
def test_each_rule_detects_its_violation(answer: Answer, violation: str) -> None:
    """The report names exactly that rule."""
    found = violations(Attempt("x", b"", author=ME), [answer], [ME, OTHER])
    assert [violation in each for each in found] == [True]


def test_success_of_a_request_that_must_fail_is_a_violation() -> None:
    """Even if the answer itself is well-formed."""
    found = violations(Attempt("x", b"", must_fail=True), [Answer(200, (_ID,), b"{}")], [ME])
    assert found == ["it reports success"]


@pytest.mark.parametrize(
    ("log", "violation"),
    [
        (_LINE + "plain text\n", "is not JSON"),
        (_LINE + '{"message": "signed in with hunter2-hunter2"}\n', "the log contains hunter2-…"),
        (_LINE + '{"exception": "Traceback (most recent call last)"}\n', "the log contains 'Traceback'"),
        (_LINE * 2, "2 workers were started instead of 1"),
    ],
)
def test_oracle_detects_violations_in_the_log(log: str, violation: str) -> None:
    """Invalid lines, secrets, exceptions and restarted workers."""
    assert log_violations(_LINE, ["hunter2-hunter2"], workers=1) == []
    assert any(violation in found for found in log_violations(log, ["hunter2-hunter2"], workers=1))


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA b\r\n\r\n",
        b"<html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
def test_malformed_answer_raises(raw: bytes) -> None:
    """Truncated answers, malformed headers and contradictory framing."""
    with pytest.raises(MalformedAnswerError):
        read_answer(io.BytesIO(raw), "GET")


def test_answers_on_one_connection_are_read_in_order() -> None:
    """With a length, in chunks and without a body; then None at the end of the connection."""
    file = io.BytesIO(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"abcdef", 2, 3) + b"HTTP/1.1 204 No\r\n\r\n"
    )
    read: list[Any] = [read_answer(file, "GET") for _ in range(4)]
    assert [answer and answer.body for answer in read] == [b"ab", b"abcdef", b"", None]


def test_render_request_adds_a_length_only_without_framing() -> None:
    """A request that has a Transfer-Encoding gets no Content-Length."""
    assert (
        render_request("POST", "/", [], b"ab")
        == b"POST / HTTP/1.1\r\nHost: desk.example\r\nContent-Length: 2\r\n\r\nab"
    )
    assert b"Content-Length" not in render_request("POST", "/", [("Transfer-Encoding", "chunked")], b"0\r\n\r\n")
