"""The test oracle: rules that hold for every answer to any request, and for the log."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from tests.hostile.actors import Actor
from tests.hostile.attempts import EVIL_HOST, INJECTED_HEADER, XSS_PROBE, Attempt
from tests.hostile.connection import Answer

_PROBLEM: Final = "application/problem+json"
_PAGE: Final = "text/html; charset=utf-8"
_INTERNALS: Final = (
    b"Traceback (most recent",
    b"site-packages",
    b"werkzeug",
    b"psycopg",
    b"SQLSTATE",
    b"pglite",
    b"wsgi.",
)
# Correct answers to an unknown transfer coding (RFC 9112, section 6.1) or HTTP version (RFC 9110, section 15.6.6).
_PROTOCOL_STATUSES: Final = {501, 505}


def violations(attempt: Attempt, answers: Iterable[Answer], actors: Iterable[Actor]) -> list[str]:
    """Return the violations in the answers to `attempt`."""
    others = [actor for actor in actors if actor is not attempt.author]
    found = []
    for answer in answers:
        found += [violation for check, violation in _CHECKS if not check(attempt, answer)]
        found += _leaks(answer, others)
    return found


def _leaks(answer: Answer, others: Iterable[Actor]) -> list[str]:
    return [
        f"it contains data of {other.marker}"
        for other in others
        if any(text in answer.raw for text in other.identifying_bytes)
    ]


def _is_not_a_server_error(attempt: Attempt, answer: Answer) -> bool:
    return answer.status < 500 or (attempt.ambiguous and answer.status in _PROTOCOL_STATUSES)


def _is_refused(attempt: Attempt, answer: Answer) -> bool:
    return not attempt.must_fail or answer.status >= 400


def _has_one_request_id(_: Attempt, answer: Answer) -> bool:
    return len(answer.all("x-request-id")) == 1 and answer.first("x-request-id") != ""


def _is_problem_or_page(attempt: Attempt, answer: Answer) -> bool:
    """Return whether an error is a problem document (RFC 9457) or a page. An answer to HEAD has only the headers."""
    if answer.status < 400:
        return True
    kind = answer.first("content-type")
    if kind == _PAGE:
        return attempt.method == "HEAD" or answer.body.rstrip().endswith(b"</html>")
    return kind == _PROBLEM and (attempt.method == "HEAD" or _is_problem(answer))


def _is_problem(answer: Answer) -> bool:
    try:
        document: dict[str, Any] = json.loads(answer.body)
    except ValueError:
        return False
    named = all(isinstance(document.get(name), str) and document[name] for name in ("type", "title", "detail"))
    return named and document.get("status") == answer.status


def _reveals_no_internals(_: Attempt, answer: Answer) -> bool:
    return answer.status < 400 or not any(word in answer.body for word in _INTERNALS)


def _redirects_within_the_site(_: Attempt, answer: Answer) -> bool:
    target = answer.first("location")
    return not target.startswith(("//", "/\\")) and EVIL_HOST not in (urlsplit(target).hostname or "")


def _has_no_injected_header(_: Attempt, answer: Answer) -> bool:
    return not answer.all(INJECTED_HEADER)


def _escapes_markup(_: Attempt, answer: Answer) -> bool:
    return not answer.first("content-type").startswith("text/html") or XSS_PROBE.encode() not in answer.body


_CHECKS: Final[tuple[tuple[Callable[[Attempt, Answer], bool], str], ...]] = (
    (_is_not_a_server_error, "it is a server error"),
    (_is_refused, "it reports success"),
    (_has_one_request_id, "it has no request id, or several"),
    (_is_problem_or_page, "the error is neither a problem document nor a page"),
    (_reveals_no_internals, "it reveals internals"),
    (_redirects_within_the_site, "it redirects to another site"),
    (_has_no_injected_header, "a header was injected"),
    (_escapes_markup, "it contains unescaped markup"),
)


def log_violations(text: str, secrets: Iterable[str], *, workers: int) -> list[str]:
    """Return the violations in a log of JSON lines: exceptions, secrets, forged lines and workers that died."""
    found = [f"line {line[:300]!r} is not JSON" for line in text.splitlines() if not _is_json(line)]
    found += [f"the log contains {secret[:8]}…" for secret in secrets if secret and secret in text]
    found += [
        f"the log contains {word!r}" for word in ("Traceback", '"exception"', '"ERROR"', '"CRITICAL"') if word in text
    ]
    started = len(re.findall(r"Booting worker", text))
    return found + ([f"{started} workers were started instead of {workers}"] if started != workers else [])


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
