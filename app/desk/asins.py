"""The page that sets many ASINs from pasted lines."""

from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from flask import render_template, request
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from app.auth import current_user
from app.desk.blueprint import desk
from app.desk.sessions import signed_in
from app.limits import WRITES, limited
from app.products.context import caller_matching
from app.products.matching.rows import decide_rows
from app.products.matching.schemas import MAX_ROWS, BulkAsin
from app.products.repository import Document
from app.products.stats import changing_stats

_UNKNOWN: Final = "You have no product with this UPC or id."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened with the pasted lines.

    Attributes:
        lines: number of lines.
        counts: number of lines by outcome: set, unchanged, unknown and refused.
        open: the lines that set nothing, each with the outcome of its row.

    """

    lines: int
    counts: Counter[str]
    open: list[tuple[str, Document]]


@desk.get("/desk/asins")
@signed_in
def asins_form() -> ResponseReturnValue:
    """Show the empty form."""
    return _page("")


@desk.post("/desk/asins")
@signed_in
@limited(WRITES)
def set_asins() -> ResponseReturnValue:
    """Set the ASIN of each line. The lines that could not be used stay in the form."""
    text = request.form.get("lines", "")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not 0 < len(lines) <= MAX_ROWS:
        wanted = f"Paste 1 to {MAX_ROWS:,} lines. These are {len(lines):,}." if lines else "Paste at least one line."
        return _page(text, mistake=wanted), HTTPStatus.UNPROCESSABLE_ENTITY
    try:
        rows = BulkAsin.from_text(text).rows
    except ValidationError:
        return _page(text, mistake="A line is too long. Nothing was changed."), HTTPStatus.UNPROCESSABLE_ENTITY
    with changing_stats(current_user.user_id):
        results = decide_rows(caller_matching(), rows, remember="remember" in request.form)
    outcome = _outcome(lines, results)
    return _page("\n".join(line for line, _ in outcome.open), outcome=outcome)


def _outcome(lines: list[str], results: list[Document]) -> Outcome:
    described = [result | {"reason": f"{(result['reason'] or _UNKNOWN).rstrip('.')}."} for result in results]
    left = [(line, result) for line, result in zip(lines, described, strict=True) if _is_open(result)]
    return Outcome(len(lines), Counter(result["outcome"] for result in results), left)


def _is_open(result: Document) -> bool:
    return result["outcome"] in {"unknown", "refused"}


def _page(lines: str, *, mistake: str = "", outcome: Outcome | None = None) -> str:
    remember = "remember" in request.form or request.method == "GET"
    return render_template(
        "asins.html", lines=lines, mistake=mistake, outcome=outcome, remember=remember, most=MAX_ROWS
    )
