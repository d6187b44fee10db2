"""The products and deals of one user. Each method calls one SQL function, so each change is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final
from uuid import UUID

from app.database import Database, DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError
from app.products import cursors
from app.products.changes import Envelope, announcement_for
from app.products.conditions import UNCONDITIONAL, Conditions
from app.products.errors import (
    NotFoundError,
)
from app.products.refusals import condition_errors, cursor_errors, deals_refused, domain_errors
from app.products.schemas import BulkAction, DealFields, ListQuery, NewProduct, ProductFields
from app.telemetry import timed

Document = dict[str, Any]

_UNREADABLE: Final = "The database sent an answer in an unknown format. Please try again."


@dataclass(frozen=True, slots=True)
class Created:
    """A deal as `create_product` left it. `created` is False when the deal already existed and was updated."""

    deal: Document
    created: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """The results of one batch of rows. `refused` has the line, field and reason of each row that was not accepted."""

    created: int
    updated: int
    unchanged: int
    repeated: int
    refused: list[tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of deals, and the cursor of the next page. The cursor is None on the last page."""

    items: list[Document]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Repository:
    """The products and deals of one user, in the database.

    Every method raises DatabaseUnavailableError when the database does not answer, and DatabaseRefusalError when it
    refuses the call for a reason that is not listed. A method that changes rows also raises OutcomeUnknownError when
    the answer is lost, UnannouncedChangeError when it is called outside of `changing_stats`, and with `conditions`
    PreconditionFailedError or KeyReusedError.

    Attributes:
        database: the connection to Supabase.
        token: the user's own access token, or with `on_behalf` that of service_role.
        user_id: the user whose rows these are.
        on_behalf: acting for another user: the token is not the user's own. Only `import_deals` supports it.
        conditions: the conditions of every change. `import_deals` supports none.

    """

    database: Database
    token: str = field(repr=False)
    user_id: str
    on_behalf: bool = False
    conditions: Conditions = UNCONDITIONAL

    def asin_stats(self) -> Document:
        """Return the raw status breakdown of the user. The database refuses any user but the owner of the token."""
        return _document(self._read("get_asin_stats", p_user_id=self.user_id))

    def list_deals(self, query: ListQuery) -> Page:
        """Return one page of deals. Raises InvalidCursorError."""
        after = cursors.decode(query.cursor, sort=query.sort) if query.cursor else None
        with cursor_errors(query.cursor):
            found = self._read(
                "list_deals",
                **_filters(query),
                p_search=query.search,
                p_sort=query.sort,
                p_limit=query.limit,
                p_after_value=after.value if after else None,
                p_after_id=str(after.id) if after else None,
            )
        found = _document(found, "items", "next")
        end = found["next"] and _document(found["next"], "value", "id")
        cursor = cursors.encode(cursors.Position(end["value"], UUID(end["id"])), sort=query.sort) if end else None
        return Page(found["items"], cursor)

    def count_deals(self, query: ListQuery) -> int:
        """Return how many deals the filters of `query` select, without `search`. Stops counting at 10,001."""
        found = self._read("count_deals", **_filters(query))
        if type(found) is not int:  # a gateway may answer 200 with any content
            raise DatabaseUnavailableError(_UNREADABLE)
        return found

    def create_product(self, new: NewProduct) -> Created:
        """Create a product and its deal, or update the deal if the user already has it. Raises ConflictError."""
        with domain_errors():
            answer = self._change("create_product", p_product=new.product(), p_deal=new.deal())
        made = _done(answer, "created", "deal")
        return Created(_done(made["deal"], "id", "product_id", "etag"), created=made["created"])

    def get_product(self, product_id: UUID) -> Document:
        """Return a product with its deals. Raises NotFoundError."""
        found = self._read("get_product", p_product_id=str(product_id))
        if found is None:
            raise _missing("product")
        return _document(found, "id", "deals", "etag")

    def get_deal(self, deal_id: UUID) -> Document:
        """Return a deal with its product, also a deleted one. Raises NotFoundError."""
        found = self._read("get_deal", p_deal_id=str(deal_id))
        if found is None:
            raise _missing("deal")
        return _document(found, "id", "product", "etag")

    def update_product(self, product_id: UUID, changes: ProductFields) -> Document:
        """Change the given fields of a product and return it. Raises NotFoundError and ConflictError."""
        with domain_errors():
            changed = self._change("update_product", p_product_id=str(product_id), p_changes=changes.given())
        if changed is None:
            raise _missing("product")
        return _done(changed, "id", "deals", "etag")

    def update_deal(self, deal_id: UUID, changes: DealFields) -> Document:
        """Change the given fields of a deal and return it. Raises NotFoundError, ConflictError and DeletedError."""
        with domain_errors():
            changed = self._change("update_deal", p_deal_id=str(deal_id), p_changes=changes.given())
        if changed is None:
            raise _missing("deal")
        return _done(changed, "id", "product", "etag")

    def delete_deal(self, deal_id: UUID, *, hard: bool) -> None:
        """Delete a deal. Raises NotFoundError.

        A deleted deal can be restored, unless `hard` is set: then the deal is removed permanently, together with its
        product if this was its last deal.
        """
        deleted = self._change("delete_deal", p_deal_id=str(deal_id), p_hard=hard)
        if deleted is False:
            raise _missing("deal")
        if deleted is not True:
            raise OutcomeUnknownError

    def bulk_deals(self, bulk: BulkAction) -> int:
        """Apply one action to all the deals of `bulk`, or to none, and return their number.

        Raises:
            DealsNotFoundError: some deals do not exist or belong to another user.
            DealsDeletedError: some deals have been deleted and the action would move or mark them.
            RestoreTooLateError: some deals can no longer be restored.

        """
        ids = [str(deal_id) for deal_id in bulk.deal_ids]
        try:
            answer = self._change("bulk_deals", p_action=bulk.action, p_deal_ids=ids, p_stage=bulk.stage)
        except DatabaseRefusalError as error:
            raise deals_refused(error, bulk) from None
        return int(_done(answer, "changed")["changed"])

    def import_deals(self, rows: Sequence[Document], *, dry_run: bool) -> Imported:
        """Import the rows in one transaction. A dry run returns the same result and changes nothing."""
        arguments: Document = {"p_rows": rows, "p_dry_run": dry_run}
        if self.on_behalf:
            arguments["p_user_id"] = self.user_id
        if dry_run:
            answer = _envelope(self._read("import_deals", **arguments)).answer
        else:
            answer = self._change("import_deals", **arguments)
        done = _done(answer, *(member.name for member in fields(Imported)))
        refused = [(row["line"], row["column"], row["reason"]) for row in done.pop("refused")]
        return Imported(**done, refused=refused)

    def require_database(self) -> None:
        """Make one cheap call, to fail fast before long work. Raises DatabaseUnavailableError."""
        self.database.read(self.token, "health", {})

    def _read(self, function: str, **arguments: object) -> Any:  # noqa: ANN401 - any JSON
        with timed("db"):
            return self.database.read(self.token, function, arguments)

    def _change(self, function: str, **arguments: object) -> Any:  # noqa: ANN401 - any JSON
        """Call a SQL function that changes rows, and return its answer. `changing_stats` gets the breakdown it left."""
        announcement = announcement_for(self.user_id)
        function, arguments = self.conditions.applied_to(function, arguments)
        with timed("db"), condition_errors():
            result = self.database.change(self.token, function, arguments)
        try:
            announcement.last = _envelope(result)
        except DatabaseUnavailableError:
            raise OutcomeUnknownError from None
        return announcement.last.answer


def _filters(query: ListQuery) -> Document:
    return {
        "p_asin_status": query.asin_status,
        "p_stage": query.stage,
        "p_favorite": query.favorite,
        "p_active": query.active,
    }


def _document(answer: object, *names: str) -> Document:
    """Return the answer if it is an object with these members: a gateway may answer 200 with any content."""
    if not isinstance(answer, dict) or not answer.keys() >= set(names):
        raise DatabaseUnavailableError(_UNREADABLE)
    return answer


def _envelope(result: object) -> Envelope:
    """Return the envelope of a SQL function that changes rows, validated like the answers in `_document`."""
    try:
        return Envelope.parse(result)
    except ValueError:
        raise DatabaseUnavailableError(_UNREADABLE) from None


def _done(answer: object, *names: str) -> Document:
    """Return the answer to a change. Without a readable answer it is unknown whether the change happened."""
    try:
        return _document(answer, *names)
    except DatabaseUnavailableError:
        raise OutcomeUnknownError from None


def _missing(kind: str) -> NotFoundError:
    return NotFoundError(f"There is no such {kind}.")
