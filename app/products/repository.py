"""The only caller of the product tables: each function is one SQL function, run as the signed-in user."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from uuid import UUID

from flask import current_app

from app.auth import current_user
from app.database import Database, DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError
from app.problems import FieldError, Problem
from app.products import cursors
from app.products.schemas import BulkAction, DealFields, ListQuery, NewProduct, ProductFields
from app.telemetry import timed

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Created:
    """A deal as it is now, and whether this call made it or found it."""

    deal: Document
    created: bool


@dataclass(frozen=True, slots=True)
class Authority:
    """On whose authority, and for whom, rows are imported: a user's own, or an operator's for a user.

    Attributes:
        database: where.
        token: the user's access token, or a service_role key.
        user_id: whose rows they become.
        named: whether the user has to be named, because the token is not theirs.

    """

    database: Database
    token: str = field(repr=False)
    user_id: str
    named: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the rows of one batch; `refused` holds line, field and reason of each row not taken."""

    created: int
    updated: int
    unchanged: int
    repeated: int
    refused: list[tuple[int, str, str]]


class DealsRefusedError(Problem):
    """An action on many deals that some of them cannot take; nothing was changed.

    Attributes:
        deals: the ids of these.

    """

    def __init__(self, status: int, detail: str, *, errors: Sequence[FieldError], deals: Sequence[UUID]) -> None:
        """Describe the problem; see `Problem`."""
        super().__init__(status, detail, errors=errors)
        self.deals = frozenset(deals)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of deals and the cursor of the next, None on the last page."""

    items: list[Document]
    next_cursor: str | None


def asin_stats(user_id: str) -> Document:
    """Return the raw status breakdown of `user_id`, who must be the caller: the database refuses anybody else."""
    return _document(_read("get_asin_stats", p_user_id=user_id))


def list_deals(query: ListQuery) -> Page:
    """Return the page of active deals that `query` asks for."""
    after = cursors.decode(query.cursor, sort=query.sort) if query.cursor else None
    found = _document(
        _read(
            "list_deals",
            p_asin_status=query.asin_status,
            p_stage=query.stage,
            p_favorite=query.favorite,
            p_search=query.search,
            p_sort=query.sort,
            p_limit=query.limit,
            p_after_value=after.value if after else None,
            p_after_id=str(after.id) if after else None,
        ),
        "items",
        "next",
    )
    end = found["next"] and _document(found["next"], "value", "id")
    cursor = cursors.encode(cursors.Position(end["value"], UUID(end["id"])), sort=query.sort) if end else None
    return Page(found["items"], cursor)


def create_product(new: NewProduct) -> Created:
    """Create a product and its deal, or update the deal the user already has for it; one transaction."""
    made = _done(_change("create_product", p_product=new.product(), p_deal=new.deal()), "created", "deal")
    return Created(_done(made["deal"], "id", "product_id"), created=made["created"])


def get_product(product_id: UUID) -> Document:
    """Return a product with its deals. Raises Problem (404)."""
    found = _read("get_product", p_product_id=str(product_id))
    if found is None:
        raise _missing("product")
    return _document(found, "id", "deals")


def update_product(product_id: UUID, changes: ProductFields) -> Document:
    """Change the given fields of a product and return it. Raises Problem (404)."""
    changed = _change("update_product", p_product_id=str(product_id), p_changes=changes.given())
    if changed is None:
        raise _missing("product")
    return _done(changed, "id", "deals")


def update_deal(deal_id: UUID, changes: DealFields) -> Document:
    """Change the given fields of a deal and return it. Raises Problem (404), DatabaseRefusalError (410: deleted)."""
    changed = _change("update_deal", p_deal_id=str(deal_id), p_changes=changes.given())
    if changed is None:
        raise _missing("deal")
    return _done(changed, "id", "product")


def delete_deal(deal_id: UUID, *, hard: bool) -> None:
    """Put a deal away, or remove it for good (and its product with the last one). Raises Problem (404)."""
    deleted = _change("delete_deal", p_deal_id=str(deal_id), p_hard=hard)
    if deleted is False:
        raise _missing("deal")
    if deleted is not True:
        raise OutcomeUnknownError


def bulk_deals(bulk: BulkAction) -> int:
    """Apply one action to all the deals and return how many there were.

    Raises:
        DealsRefusedError: some of them are not the caller's (404), or have been deleted and were to be moved or
            marked, or can no longer be restored (410); nothing was changed.

    """
    ids = [str(deal_id) for deal_id in bulk.deal_ids]
    try:
        changed = _done(_change("bulk_deals", p_action=bulk.action, p_deal_ids=ids, p_stage=bulk.stage), "changed")
    except DatabaseRefusalError as error:
        raise _named(error, bulk) from None
    return int(changed["changed"])


def import_deals(rows: Sequence[Document], *, by: Authority, dry_run: bool) -> Imported:
    """Take the rows in, in one transaction; a dry run answers the same and changes nothing. Needs no request."""
    arguments: Document = {"p_rows": rows, "p_dry_run": dry_run} | ({"p_user_id": by.user_id} if by.named else {})
    with timed("db"):
        call = by.database.read if dry_run else by.database.change
        done = _done(call(by.token, "import_deals", arguments), *(member.name for member in fields(Imported)))
    refused = [(row["line"], row["column"], row["reason"]) for row in done.pop("refused")]
    return Imported(**done, refused=refused)


def require_database() -> None:
    """Raise DatabaseUnavailableError when the database does not answer, before work that would be in vain."""
    _database().read(current_user.token, "health", {})


def database_answers() -> bool:
    """Say whether a call of the database is worth making, as far as is known; asks nobody."""
    return _database().answers


def authority() -> Authority:
    """Return the caller's own authority, for work that goes on after the view."""
    return Authority(_database(), current_user.token, current_user.user_id)


def _read(function: str, **arguments: object) -> Any:  # noqa: ANN401 - any JSON
    with timed("db"):
        return _database().read(current_user.token, function, arguments)


def _change(function: str, **arguments: object) -> Any:  # noqa: ANN401 - any JSON
    with timed("db"):
        return _database().change(current_user.token, function, arguments)


def _database() -> Database:
    database: Database = current_app.extensions["database"]
    return database


def _document(answer: object, *names: str) -> Document:
    """Return an answer that holds these members; a gateway may put anything into a 200."""
    if not isinstance(answer, dict) or not answer.keys() >= set(names):
        raise DatabaseUnavailableError("The database gave an answer nobody can read. Please try again.")
    return answer


def _done(answer: object, *names: str) -> Document:
    """Return the answer to a change; when it is none, nobody knows whether the change happened."""
    try:
        return _document(answer, *names)
    except DatabaseUnavailableError:
        raise OutcomeUnknownError from None


def _named(error: DatabaseRefusalError, bulk: BulkAction) -> Exception:
    """Return the problem that points at the deals a refusal names; any other refusal as it is."""
    gone = "It is too late to restore deal {}" if bulk.action == "restore" else "Deal {} has been deleted"
    words = {404: "There is no deal {}", 410: gone}.get(error.status)
    if words is None:
        return error
    places = {name: place for place, name in enumerate(bulk.deal_ids)}
    named = sorted(map(UUID, json.loads(error.detail or "[]")), key=places.__getitem__)
    errors = [FieldError(f"/deal_ids/{places[name]}", words.format(name)) for name in named]
    return DealsRefusedError(error.status, error.message, errors=errors, deals=named)


def _missing(kind: str) -> Problem:
    return Problem(404, f"There is no such {kind}.")
