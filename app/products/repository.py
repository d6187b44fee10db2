"""The products and deals of one user. Each method calls one SQL function, so each change is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final
from uuid import UUID

from app.database import Database, DatabaseRefusalError, DatabaseUnavailableError, OutcomeUnknownError
from app.products import cursors, results
from app.products.bulk import BulkAction
from app.products.changes import announcement_for
from app.products.conditions import UNCONDITIONAL, Conditions
from app.products.refusals import condition_errors, cursor_errors, deals_refused, domain_errors
from app.products.schemas import DealFields, ListQuery, NewProduct, ProductFields
from app.telemetry import timed

Document = results.Document

_LAST_DELETED: Final = "-deleted_at"
"""The order of the trash, in its cursors."""


@dataclass(frozen=True, slots=True)
class Created:
    """A deal as `create_product` left it. `created` is False when the deal already existed and was updated."""

    deal: Document
    created: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """What a bulk action did.

    Attributes:
        deals: the number of deals that it named, or that matched in this step.
        batch_id: the batch that undoes it; None if no deal was changed.
        next_cursor: the cursor of the next step of an action in steps; None if there is none.

    """

    deals: int
    batch_id: UUID | None
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """The results of some rows of a file.

    Attributes:
        created: rows that created a deal.
        updated: rows that changed something.
        unchanged: rows that contained nothing new.
        repeated: rows that were ignored because of a later row.
        refused: the line, field and reason of each row that was not accepted.
        batch_id: the batch that undoes the import; None if no deal was changed yet.

    """

    created: int
    updated: int
    unchanged: int
    repeated: int
    refused: list[tuple[int, str, str]]
    batch_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and the cursor of the next page. The cursor is None on the last page."""

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
        on_behalf: acting for another user: the token is not the user's own. Only imports support it.
        conditions: the conditions of every change. Imports support none.

    """

    database: Database
    token: str = field(repr=False)
    user_id: str
    on_behalf: bool = False
    conditions: Conditions = UNCONDITIONAL

    def asin_stats(self) -> Document:
        """Return the raw status breakdown of the user. The database refuses any user but the owner of the token."""
        return results.document(self.read("get_asin_stats", p_user_id=self.user_id))

    def list_deals(self, query: ListQuery) -> Page:
        """Return one page of deals. Raises InvalidCursorError."""
        with cursor_errors(query.cursor):
            found = self.read(
                "list_deals",
                **_filters(query),
                p_search=query.search,
                p_sort=query.sort,
                p_limit=query.limit,
                **cursors.arguments(query.cursor, sort=query.sort),
            )
        return _page(found, sort=query.sort)

    def list_trash(self, cursor: str | None, *, limit: int) -> Page:
        """Return one page of the deleted deals, the last deleted ones first. Raises InvalidCursorError."""
        with cursor_errors(cursor):
            found = self.read("list_trash", p_limit=limit, **cursors.arguments(cursor, sort=_LAST_DELETED))
        return _page(found, sort=_LAST_DELETED)

    def count_deals(self, query: ListQuery) -> results.Total:
        """Return the total of the list, at most 10,000. A frequent search is counted among the newest 4,000 deals."""
        return results.total(self.read("count_deals", **_filters(query), p_search=query.search))

    def create_product(self, new: NewProduct) -> Created:
        """Create a product and its deal, or update the deal if the user already has it. Raises ConflictError."""
        with domain_errors():
            answer = self.change("create_product", p_product=new.product(), p_deal=new.deal())
        made = results.done(answer, "created", "deal")
        return Created(results.done(made["deal"], "id", "product_id", "etag"), created=made["created"])

    def get_product(self, product_id: UUID) -> Document:
        """Return a product with its deals. Raises NotFoundError."""
        return results.found(self.read("get_product", p_product_id=str(product_id)), "product", "id", "deals", "etag")

    def get_deal(self, deal_id: UUID) -> Document:
        """Return a deal with its product, also a deleted one. Raises NotFoundError."""
        return results.found(self.read("get_deal", p_deal_id=str(deal_id)), "deal", "id", "product", "etag")

    def update_product(self, product_id: UUID, changes: ProductFields) -> Document:
        """Change the given fields of a product and return it. Raises NotFoundError and ConflictError."""
        with domain_errors():
            changed = self.change("update_product", p_product_id=str(product_id), p_changes=changes.given())
        return results.changed(changed, "product", "id", "deals", "etag")

    def update_deal(self, deal_id: UUID, changes: DealFields) -> Document:
        """Change the given fields of a deal and return it. Raises NotFoundError, ConflictError and DeletedError."""
        with domain_errors():
            changed = self.change("update_deal", p_deal_id=str(deal_id), p_changes=changes.given())
        return results.changed(changed, "deal", "id", "product", "etag")

    def delete_deal(self, deal_id: UUID, *, hard: bool) -> None:
        """Delete a deal. Raises NotFoundError.

        A deleted deal can be restored, unless `hard` is set: then the deal is removed permanently, together with its
        product if this was its last deal.
        """
        results.removed(self.change("delete_deal", p_deal_id=str(deal_id), p_hard=hard), "deal")

    def bulk_deals(self, bulk: BulkAction) -> Changed:
        """Apply one action to all the deals of `bulk`, or to none.

        Raises:
            DealsNotFoundError: some deals do not exist or belong to another user.
            DealsDeletedError: some deals have been deleted and the action would move or mark them.
            RestoreTooLateError: some deals can no longer be restored.

        """
        ids = [str(deal_id) for deal_id in bulk.deal_ids]
        try:
            answer = self.change("bulk_deals", p_action=bulk.action, p_deal_ids=ids, p_stage=bulk.stage)
        except DatabaseRefusalError as error:
            raise deals_refused(error, bulk) from None
        done = results.done(answer, "changed", "batch_id")
        return Changed(int(done["changed"]), UUID(done["batch_id"]) if done["batch_id"] else None)

    def import_deals(self, rows: Sequence[Document], *, dry_run: bool, batch_id: UUID | None = None) -> Imported:
        """Import the rows in one transaction. A dry run returns the same result and changes nothing.

        `batch_id` is the batch of the rows of this file that were imported before.
        """
        arguments: Document = {"p_rows": rows, "p_dry_run": dry_run}
        if batch_id:
            arguments["p_batch_id"] = str(batch_id)
        if self.on_behalf:
            arguments["p_user_id"] = self.user_id
        if dry_run:
            answer = results.envelope(self.read("import_deals", **arguments)).answer
        else:
            answer = self.change("import_deals", **arguments)
        done = results.done(answer, *(member.name for member in fields(Imported)))
        refused = [(row["line"], row["column"], row["reason"]) for row in done.pop("refused")]
        batch = done.pop("batch_id")
        return Imported(**done, refused=refused, batch_id=UUID(batch) if batch else None)

    def get_batch(self, batch_id: UUID) -> Document:
        """Return what a batch did, and the first deals that it changed. Raises NotFoundError."""
        return results.found(self.read("get_batch", p_batch_id=str(batch_id)), "batch")

    def require_database(self) -> None:
        """Make one cheap call, to fail fast before long work. Raises DatabaseUnavailableError."""
        self.database.read(self.token, "health", {})

    def read(self, function: str, **arguments: object) -> Any:  # noqa: ANN401 - any JSON
        """Call a SQL function that changes nothing, and return its result, which is not validated."""
        with timed("db"):
            return self.database.read(self.token, function, arguments)

    def change(self, function: str, **arguments: object) -> Any:  # noqa: ANN401 - any JSON
        """Call a SQL function that changes rows, and return its answer. `changing_stats` gets the breakdown it left.

        The answer is not validated: use `app.products.results`.
        """
        announcement = announcement_for(self.user_id)
        function, arguments = self.conditions.applied_to(function, arguments)
        with timed("db"), condition_errors():
            result = self.database.change(self.token, function, arguments)
        try:
            announcement.last = results.envelope(result)
        except DatabaseUnavailableError:
            raise OutcomeUnknownError from None
        return announcement.last.answer


def _page(found: object, *, sort: str) -> Page:
    page = results.document(found, "items", "next")
    return Page(page["items"], cursors.after(page["next"], sort=sort))


def _filters(query: ListQuery) -> Document:
    return {
        "p_asin_status": query.asin_status,
        "p_stage": query.stage,
        "p_favorite": query.favorite,
        "p_active": query.active,
    }
