"""Forms that could not be saved: their fields are kept on the page that says so, and sent again with one click.

Nothing is stored on the server. The fields are hidden inputs of the error page or, when the session has ended, one
signed text that passes through the sign-in page. Each form names the user it was rendered for with a mark that only
this server can create, so a form is offered again to this user only, and a form of another site never is.
"""

import hashlib
import hmac
from dataclasses import asdict, dataclass
from math import ceil
from typing import Final

from flask import current_app, g, render_template, request, session
from flask.typing import ResponseReturnValue
from itsdangerous import BadData, Signer, URLSafeTimedSerializer
from werkzeug.exceptions import HTTPException

from app.database import DatabaseUnavailableError
from app.desk import sessions
from app.desk.blueprint import desk
from app.desk.wording import counted
from app.problems import Kind, Problem, unavailable

OWNER: Final = "typed_by"
"""Name of the input with the mark of the user that a form was rendered for."""

_LARGEST: Final = 256 * 1024  # bytes of the body; 1,000 pasted lines need about 50 KB
_KEPT_SECONDS: Final = 24 * 3600
_TOKENS: Final = frozenset({OWNER, "csrf_token"})
_SHOWN: Final = {
    "title": "Title",
    "brand": "Brand",
    "asin": "ASIN",
    "upc": "UPC or EAN",
    "supplier": "Supplier",
    "buy_cost": "Buy cost",
    "moq": "MOQ",
    "notes": "Notes",
    "note": "Note",
    "email": "E-mail address",
    "lines": "Lines",
}
"""The fields that users type, with their labels. Other fields are choices, or say what the form is about."""


@dataclass(frozen=True, slots=True)
class Held:
    """A form that was not saved.

    Attributes:
        address: the path and the query that it was sent to.
        fields: its fields in their order, without the tokens.
        owner: the mark of the user it was rendered for.

    """

    address: str
    fields: tuple[tuple[str, str], ...]
    owner: str

    @property
    def typed(self) -> list[tuple[str, str]]:
        """The label and the text of each field that the user filled in."""
        return [(_SHOWN[name], text) for name, text in self.fields if name in _SHOWN and text.strip()]

    def is_mine(self) -> bool:
        """Return whether the form was rendered for the user who is signed in."""
        return sessions.is_open() and hmac.compare_digest(self.owner.encode("utf-8", "replace"), owner_mark().encode())


@desk.app_template_global()
def owner_mark() -> str:
    """Return the mark of the user who is signed in; empty without a session. It is computed once for each page."""
    if not sessions.is_open() or "user_id" not in session:  # a session of an earlier version has no id yet
        return ""
    if "owner_mark" not in g:
        key = current_app.config["SECRET_KEY"]
        signer = Signer(key, salt=b"asin-desk form owner", digest_method=hashlib.sha256)
        g.owner_mark = signer.get_signature(str(session["user_id"])).decode()
    return str(g.owner_mark)


def sent_form() -> Held | None:
    """Return the form of the current request, or None if it cannot be kept.

    Files and passwords are never kept, so a form that has them is not kept at all. Of a user who is signed in, only a
    form of this user is kept.
    """
    if request.method != "POST" or not 0 < (request.content_length or 0) <= _LARGEST:
        return None
    try:
        form = request.form
    except (HTTPException, Problem):  # it cannot be read; that may be why the request was refused
        return None
    if None in form:  # a field without a name, which no browser sends
        return None
    fields = tuple((name, text) for name, text in form.items(multi=True) if name not in _TOKENS)
    held = Held(request.full_path.removesuffix("?"), fields, form.get(OWNER, ""))
    is_partial = any("password" in name for name in form) or any(map(bool, request.files.values()))
    if is_partial or not fields or not held.owner:
        return None
    return held if held.is_mine() or not sessions.is_open() else None


def sealed(held: Held) -> str:
    """Return the form as a signed text for the sign-in page. It is valid for 24 hours."""
    return _serializer().dumps(asdict(held))


def unsealed(text: str) -> Held | None:
    """Return the form in `text`; None if it is invalid, too old, or not of the user who is signed in."""
    try:
        kept = _serializer().loads(text, max_age=_KEPT_SECONDS)
    except BadData:
        return None
    held = Held(kept["address"], tuple((name, value) for name, value in kept["fields"]), kept["owner"])
    return held if held.is_mine() else None


def shown_again(template: str, error: Problem | DatabaseUnavailableError, **typed: str) -> ResponseReturnValue:
    """Render the form of a page before sign-in again: with the reason why it cannot be used now, and what was typed.

    No input is marked as wrong.
    """
    problem = error if isinstance(error, Problem) else unavailable(error)
    reason = problem.detail or problem.kind.title
    if problem.kind is Kind.QUOTA_EXCEEDED:
        minutes = ceil(int(problem.headers["Retry-After"]) / 60)
        reason = f"Too many attempts. Please try again in {counted(minutes, 'minute')}."
    return render_template(template, mistake=reason, temporary=True, **typed), problem.status, problem.headers


def _serializer() -> URLSafeTimedSerializer:
    key = current_app.config["SECRET_KEY"]
    return URLSafeTimedSerializer(key, salt=b"asin-desk held form", signer_kwargs={"digest_method": hashlib.sha256})
