"""What must hold for every answer, whatever was asked, and for the log afterwards."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from tests.hostile.attempts import EVIL, INJECTED, PROBE, Attempt
from tests.hostile.cast import Actor
from tests.hostile.wire import Answer

_PROBLEM: Final = "application/problem+json"
_PAGE: Final = "text/html; charset=utf-8"
_INSIDE: Final = (
    b"Traceback (most recent",
    b"site-packages",
    b"werkzeug",
    b"psycopg",
    b"SQLSTATE",
    b"pglite",
    b"wsgi.",
)
# No failures: a transfer coding (RFC 9112, section 6.1) and a version (RFC 9110, section 15.6.6) that are not known.
_PROTOCOL: Final = {501, 505}


def mistakes(attempt: Attempt, answers: Iterable[Answer], everybody: Iterable[Actor]) -> list[str]:
    """Return what is wrong with the answers to `attempt`; nothing, as it should be."""
    others = [someone for someone in everybody if someone is not attempt.author]
    found = []
    for answer in answers:
        found += [words for check, words in _CHECKS if not check(attempt, answer)]
        found += _leaks(answer, others)
    return found


def _leaks(answer: Answer, others: Iterable[Actor]) -> list[str]:
    shown = answer.raw
    return [f"it holds data of {other.marker}" for other in others if any(mark in shown for mark in other.marks)]


def _is_no_failure(attempt: Attempt, answer: Answer) -> bool:
    return answer.status < 500 or (attempt.loose and answer.status in _PROTOCOL)


def _is_refused(attempt: Attempt, answer: Answer) -> bool:
    return not attempt.refused or answer.status >= 400


def _has_one_id(_: Attempt, answer: Answer) -> bool:
    return len(answer.all("x-request-id")) == 1 and answer.first("x-request-id") != ""


def _is_in_form(attempt: Attempt, answer: Answer) -> bool:
    """Tell whether an error is a problem document (RFC 9457) or a page; an answer to HEAD has only its headers."""
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


def _gives_nothing_away(_: Attempt, answer: Answer) -> bool:
    return answer.status < 400 or not any(word in answer.body for word in _INSIDE)


def _leads_nowhere_else(_: Attempt, answer: Answer) -> bool:
    target = answer.first("location")
    return not target.startswith(("//", "/\\")) and EVIL not in (urlsplit(target).hostname or "")


def _is_not_injected(_: Attempt, answer: Answer) -> bool:
    return not answer.all(INJECTED)


def _escapes_markup(_: Attempt, answer: Answer) -> bool:
    return not answer.first("content-type").startswith("text/html") or PROBE.encode() not in answer.body


_CHECKS: Final[tuple[tuple[Callable[[Attempt, Answer], bool], str], ...]] = (
    (_is_no_failure, "it is a failure of ours"),
    (_is_refused, "it reports success"),
    (_has_one_id, "it has no request id, or several"),
    (_is_in_form, "this error is neither a problem document nor a page"),
    (_gives_nothing_away, "it tells about our inside"),
    (_leads_nowhere_else, "it leads to another site"),
    (_is_not_injected, "a header was injected"),
    (_escapes_markup, "markup came through"),
)


def of_the_log(text: str, secrets: Iterable[str], *, workers: int) -> list[str]:
    """Return what is wrong with a log of JSON lines: exceptions, secrets, forged lines, workers that died."""
    found = [f"line {line[:300]!r} is no JSON" for line in text.splitlines() if not _is_json(line)]
    found += [f"the log holds {secret[:8]}…" for secret in secrets if secret and secret in text]
    found += [
        f"the log holds {word!r}" for word in ("Traceback", '"exception"', '"ERROR"', '"CRITICAL"') if word in text
    ]
    started = len(re.findall(r"Booting worker", text))
    return found + ([f"{started} workers were started for {workers}"] if started != workers else [])


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
