"""The judge of hostile requests finds what it looks for: one wrong answer for each rule, and one that is in order."""

import io
import json
from typing import Any, Final

import pytest

from tests.clients import client
from tests.hostile.attempts import Attempt, chunked, rendered
from tests.hostile.cast import Actor
from tests.hostile.judge import mistakes, of_the_log
from tests.hostile.wire import Answer, MalformedAnswerError, read_answer
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


_GOOD: Final = [
    Answer(200, (_ID,), b"marker-1"),
    Answer(404, (_ID, _JSON), _problem(404)),
    Answer(422, (_ID, _HTML), b"<html>&lt;xss-probe></html>\n"),
    Answer(303, (_ID, ("location", "/sign-in?next=https://evil.example/")), b""),
]
_WRONG: Final = [
    (Answer(500, (_ID, _JSON), _problem(500)), "it is a failure of ours"),
    (Answer(501, (_ID, _JSON), _problem(501)), "it is a failure of ours"),
    (Answer(200, (), b""), "it has no request id, or several"),
    (Answer(200, (_ID, _ID), b""), "it has no request id, or several"),
    (Answer(400, (_ID, ("content-type", "text/html")), b"<html></html>"), "neither a problem document nor a page"),
    (Answer(400, (_ID, _JSON), b"{}"), "neither a problem document nor a page"),
    (Answer(400, (_ID, _JSON), _problem(404)), "neither a problem document nor a page"),
    (Answer(400, (_ID, _JSON), _problem(400, detail="SQLSTATE 22P02")), "it tells about our inside"),
    (Answer(303, (_ID, ("location", "//evil.example/")), b""), "it leads to another site"),
    (Answer(303, (_ID, ("location", "http://evil.example/")), b""), "it leads to another site"),
    (Answer(200, (_ID, ("x-injected", "1")), b""), "a header was injected"),
    (Answer(200, (_ID, _HTML), b"<xss-probe></html>"), "markup came through"),
    (Answer(200, (_ID,), b"... marker-2 ..."), "it holds data of marker-2"),
    (Answer(200, (_ID, ("link", "</id-2>")), b""), "it holds data of marker-2"),
]


@pytest.mark.parametrize("answer", _GOOD)
def test_an_answer_in_order_is_no_mistake(answer: Answer) -> None:
    """One's own data, errors in form, redirects within the site."""
    assert mistakes(Attempt("x", b"", author=ME), [answer], [ME, OTHER]) == []


@pytest.mark.parametrize(("answer", "words"), _WRONG)
def test_each_rule_finds_what_breaks_it(answer: Answer, words: str) -> None:
    """And says which one it was."""
    found = mistakes(Attempt("x", b"", author=ME), [answer], [ME, OTHER])
    assert [words in mistake for mistake in found] == [True]


def test_success_of_a_forgery_is_a_mistake() -> None:
    """Where a request must be refused, 200 is wrong however good it looks."""
    found = mistakes(Attempt("x", b"", refused=True), [Answer(200, (_ID,), b"{}")], [ME])
    assert found == ["it reports success"]


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (_LINE + "plain text\n", "is no JSON"),
        (_LINE + '{"message": "signed in with hunter2-hunter2"}\n', "the log holds hunter2-…"),
        (_LINE + '{"exception": "Traceback (most recent call last)"}\n', "the log holds 'Traceback'"),
        (_LINE * 2, "2 workers were started for 1"),
    ],
)
def test_the_log_is_searched_for_what_must_not_be_in_it(log: str, words: str) -> None:
    """Line by line, and as a whole."""
    assert of_the_log(_LINE, ["hunter2-hunter2"], workers=1) == []
    assert any(words in found for found in of_the_log(log, ["hunter2-hunter2"], workers=1))


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
def test_an_answer_that_is_no_http_is_not_read_as_one(raw: bytes) -> None:
    """Cut off, split or framed twice."""
    with pytest.raises(MalformedAnswerError):
        read_answer(io.BytesIO(raw), "GET")


def test_answers_are_read_one_after_the_other() -> None:
    """By length, in chunks, without a body; then the connection ends."""
    file = io.BytesIO(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"abcdef", 2, 3) + b"HTTP/1.1 204 No\r\n\r\n"
    )
    read: list[Any] = [read_answer(file, "GET") for _ in range(4)]
    assert [answer and answer.body for answer in read] == [b"ab", b"abcdef", b"", None]


def test_a_request_is_framed_once() -> None:
    """Its length is added unless it has a framing of its own."""
    assert rendered("POST", "/", [], b"ab") == b"POST / HTTP/1.1\r\nHost: desk.example\r\nContent-Length: 2\r\n\r\nab"
    assert b"Content-Length" not in rendered("POST", "/", [("Transfer-Encoding", "chunked")], b"0\r\n\r\n")
