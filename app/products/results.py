"""Validate the results of SQL functions: a gateway may answer 200 with any content."""

from dataclasses import dataclass
from typing import Any, Final

from app.database import DatabaseUnavailableError, OutcomeUnknownError
from app.products.changes import Envelope
from app.products.errors import NotFoundError

Document = dict[str, Any]

_UNREADABLE: Final = "The database sent an answer in an unknown format. Please try again."


@dataclass(frozen=True, slots=True)
class Total:
    """The number of deals in a list. If it is not exact, the list has more deals."""

    deals: int
    is_exact: bool


def unreadable() -> DatabaseUnavailableError:
    """Return the error for a result in an unknown format."""
    return DatabaseUnavailableError(_UNREADABLE)


def document(answer: object, *names: str) -> Document:
    """Return the answer if it is an object with these members. Raises DatabaseUnavailableError otherwise."""
    if not isinstance(answer, dict) or not answer.keys() >= set(names):
        raise unreadable()
    return answer


def total(answer: object) -> Total:
    """Return the total of a list. Raises DatabaseUnavailableError if it is unreadable."""
    counted = document(answer, "total", "is_exact")
    deals, is_exact = counted["total"], counted["is_exact"]
    if type(deals) is not int or type(is_exact) is not bool:
        raise unreadable()
    return Total(deals, is_exact)


def found(answer: object, kind: str, *names: str) -> Document:
    """Return what a read has found, as `document` does. Raises NotFoundError for null."""
    if answer is None:
        raise _missing(kind)
    return document(answer, *names)


def done(answer: object, *names: str) -> Document:
    """Return the answer to a change. Raises OutcomeUnknownError if it is unreadable: the change may have happened."""
    try:
        return document(answer, *names)
    except DatabaseUnavailableError:
        raise OutcomeUnknownError from None


def changed(answer: object, kind: str, *names: str) -> Document:
    """Return what a change has changed, as `done` does. Raises NotFoundError for null."""
    if answer is None:
        raise _missing(kind)
    return done(answer, *names)


def removed(answer: object, kind: str) -> None:
    """Check the answer to a removal. Raises NotFoundError for false, and OutcomeUnknownError if it is unreadable."""
    if answer is False:
        raise _missing(kind)
    if answer is not True:
        raise OutcomeUnknownError


def envelope(result: object) -> Envelope:
    """Return the envelope of a SQL function that changes rows. Raises DatabaseUnavailableError if it is unreadable."""
    try:
        return Envelope.parse(result)
    except ValueError:
        raise unreadable() from None


def _missing(kind: str) -> NotFoundError:
    return NotFoundError(f"There is no such {kind}.")
