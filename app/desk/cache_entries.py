"""The operators' list of cache entries, and the form that deletes one or all of them."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app import audit
from app.auth import current_user
from app.caching import CacheUnavailableError, EntryPage, EntryReport
from app.desk.blueprint import desk
from app.desk.figures import STATES
from app.desk.notices import Notice, flash
from app.desk.sessions import for_operators
from app.extensions import cache
from app.limits import WRITES, limited
from app.products.flushing import flush_entries
from app.products.stats import asin_status_stats

_PAGE: Final = 50
_ID_LENGTH: Final = 36
_CURSOR: Final = re.compile(r"\d{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its key, the id of its seller (None if it is none of a seller), and its state."""

    key: str
    user: UUID | None
    report: EntryReport


@desk.get("/operations/entries")
@for_operators
def operations_entries() -> ResponseReturnValue:
    """List the entries of all sellers page by page, or show that of one seller."""
    asked, cursor = request.args.get("user", "").strip(), request.args.get("cursor", "")
    user = _user(asked)
    page = _entry_of(user) if user else cache.page(int(cursor) if _CURSOR.fullmatch(cursor) else 0, _PAGE)
    is_mistake = bool(asked) and user is None
    shown = render_template(
        "operations_entries.html",
        entries=[Entry(key, _owner(key), report) for key, report in page.entries] if page else None,
        more=page and page.next_cursor,
        cursor=cursor,
        asked=asked,
        mistake="This is not a user id, which has 32 hexadecimal digits. These are all entries." if is_mistake else "",
        states=STATES,
        stores=cache.stores,
    )
    return shown, HTTPStatus.UNPROCESSABLE_ENTITY if is_mistake else HTTPStatus.OK


@desk.get("/operations/flush")
@for_operators
def confirm_flush() -> ResponseReturnValue:
    """Ask whether to delete the entries of one seller, or all."""
    return render_template("operations_flush.html", user=_user(request.args.get("user", "")), stores=cache.stores)


@desk.post("/operations/flush")
@for_operators
@limited(WRITES)
def flush() -> ResponseReturnValue:
    """Delete the entries of the seller in the form, or all of them, and write it to the audit log."""
    named = request.form.get("user", "")
    user = _user(named)
    if named and user is None:
        flash(Notice("This is not a user id. Nothing was deleted.", "problem"))
        return _to_list()
    outcome = "failed"
    try:
        deleted = flush_entries(user, force=request.form.get("force") == "on")
        outcome = "ok"
        flash(Notice(_result(deleted)))
    except CacheUnavailableError:
        flash(Notice("Redis did not answer, so it is unknown which entries were deleted. Please try again.", "problem"))
    finally:
        audit.record("cache.flush", outcome, user=current_user.user_id, of=str(user) if user else "everybody")
    return _to_list()


def _to_list() -> ResponseReturnValue:
    return redirect(url_for("desk.operations_entries"), HTTPStatus.SEE_OTHER)


def _result(deleted: int | None) -> str:
    if deleted is None:
        return "All entries were deleted."
    was = "was" if deleted == 1 else "were"
    number = f"{deleted:,} entr{'y' if deleted == 1 else 'ies'}"
    return f"{number} {was} deleted." if deleted else "There was nothing to delete, or a change is in progress."


def _user(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _owner(key: str) -> UUID | None:
    """Return the id of the seller that the entry under `key` belongs to."""
    user = _user(key[-_ID_LENGTH:])
    return user if user and asin_status_stats.entry_name(str(user)) == key else None


def _entry_of(user: UUID) -> EntryPage | None:
    """Return the entry of a seller; None if Redis does not answer."""
    report = cache.entry(asin_status_stats.make_cache_key(str(user)))
    return EntryPage([(asin_status_stats.entry_name(str(user)), report)]) if report else None
