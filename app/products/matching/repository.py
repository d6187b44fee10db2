"""The candidates, decisions, merges and matches of one user, and the queue. Each method calls one SQL function."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Final
from uuid import UUID

from app.database import OutcomeUnknownError
from app.products import cursors, results
from app.products.errors import InvalidCursorError, NotFoundError
from app.products.matching.schemas import AsinDecision, AsinRow, CandidateList, MatchQuery
from app.products.refusals import cursor_errors, domain_errors, undo_errors
from app.products.repository import Page, Repository
from app.products.results import Document
from app.products.schemas import AsinStatus

_QUEUE_ORDER: Final = "-created_at"
"""The queue has the default order of the list, so its cursors have the same form."""
_PRODUCT: Final = ("id", "deals", "candidates", "etag")
_GTIN: Final = re.compile(r"[0-9]{8}|[0-9]{12,14}")
_ASIN: Final = re.compile(r"[A-Z0-9]{10}")


@dataclass(frozen=True, slots=True)
class Queued:
    """The next product of a queue, and the cursor that continues after it. Both are None at the end of the queue."""

    product: Document | None
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Added:
    """The results of one batch of a look-up result, as numbers of rows, except for `decided`.

    Attributes:
        stored: rows whose candidate was added or changed.
        unchanged: rows that contained nothing new.
        never: rows with an ASIN that never belongs to the identifier of the product.
        empty: rows without an ASIN.
        unknown: rows of which the user has no product.
        decided: the number of products that got their ASIN.
        refused: the line, field and reason of each row that was not accepted.

    """

    stored: int = 0
    unchanged: int = 0
    never: int = 0
    empty: int = 0
    unknown: int = 0
    decided: int = 0
    refused: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Matching:
    """The decisions of one user about the ASINs of their products, in the database.

    The methods raise what the methods of `Repository` raise, under the same conditions. A product is returned as
    `Repository.get_product` returns it.
    """

    repository: Repository

    def put_candidates(self, product_id: UUID, wanted: CandidateList, *, accept_single: bool) -> Document:
        """Replace the candidates of a product and return the product. Raises NotFoundError and ConflictError."""
        with domain_errors():
            changed = self.repository.change(
                "put_candidates",
                p_product_id=str(product_id),
                p_candidates=[candidate.given() for candidate in wanted.candidates],
                p_accept_single=accept_single,
            )
        return results.changed(changed, "product", *_PRODUCT)

    def add_candidates(self, rows: Sequence[Document], *, accept_single: bool) -> Added:
        """Add candidates to the products of the rows in one transaction; see `app.products.matching.feed`.

        It supports no conditions. With `on_behalf` of the repository, it acts for another user.
        """
        arguments: Document = {"p_rows": rows, "p_accept_single": accept_single}
        if self.repository.on_behalf:
            arguments["p_user_id"] = self.repository.user_id
        answer = self.repository.change("add_candidates", **arguments)
        done = results.done(answer, *(member.name for member in fields(Added)))
        refused = [(row["line"], row["column"], row["reason"]) for row in done.pop("refused")]
        return Added(**done, refused=refused)

    def decide(self, product_id: UUID, decision: AsinDecision) -> Document:
        """Give a product its ASIN, or dismiss its candidates. Raises NotFoundError and ConflictError."""
        with domain_errors():
            changed = self.repository.change(
                "decide_asin",
                p_product_id=str(product_id),
                p_asin=decision.asin,
                p_remember=decision.remember is not None,
            )
        return results.changed(changed, "product", *_PRODUCT)

    def undo(self, decision_id: UUID) -> Document:
        """Undo a decision and return its product. Raises NotFoundError, ConflictError and UndoTooLateError."""
        with domain_errors(), undo_errors():
            changed = self.repository.change("undo_decision", p_decision_id=str(decision_id))
        return results.changed(changed, "decision", *_PRODUCT)

    def merge(self, product_id: UUID, into: UUID) -> Document:
        """Move everything of a product to the product `into`, and return this. Raises NotFoundError, ConflictError."""
        with domain_errors():
            changed = self.repository.change("merge_products", p_product_id=str(product_id), p_into=str(into))
        return results.changed(changed, "product", *_PRODUCT)

    def decide_many(self, rows: Sequence[AsinRow], *, remember: bool) -> list[Document]:
        """Give each product its ASIN. Returns the outcome of each row, in the order of `rows`."""
        given = [row.given() for row in rows]
        answer = self.repository.change("decide_many", p_rows=given, p_remember=remember)
        outcomes = results.done(answer, "results")["results"]
        if not isinstance(outcomes, list) or len(outcomes) != len(rows):
            raise OutcomeUnknownError
        return [results.done(outcome, "row", "outcome") for outcome in outcomes]

    def next_in_queue(self, status: AsinStatus, after: str | None) -> Queued:
        """Return the next product with `status`, or the first one after the cursor. Raises InvalidCursorError."""
        with cursor_errors(after, parameter="after"):
            answer = self.repository.read(
                "next_in_queue", p_asin_status=status, **cursors.arguments(after, sort=_QUEUE_ORDER)
            )
        found = results.document(answer, "product", "next")
        if found["product"] is None:
            return Queued(None, None)
        end = results.document(found["next"], "value", "id")
        cursor = cursors.encode(cursors.Position(end["value"], UUID(end["id"])), sort=_QUEUE_ORDER)
        return Queued(results.document(found["product"], *_PRODUCT), cursor)

    def list_matches(self, query: MatchQuery) -> Page:
        """Return one page of matches, newest first. Raises InvalidCursorError."""
        after = _decoded(query.cursor) if query.cursor else None
        with cursor_errors(query.cursor):
            answer = self.repository.read("list_matches", p_search=query.search, p_limit=query.limit, p_after=after)
        found = results.document(answer, "items", "next")
        end = found["next"] and results.document(found["next"], "created_at", "gtin", "asin")
        return Page(found["items"], cursors.pack(end["created_at"], end["gtin"], end["asin"]) if end else None)

    def forget_match(self, gtin: str, asin: str) -> None:
        """Remove a match. The identifier may have any length of a UPC or EAN. Raises NotFoundError."""
        asin = asin.upper()
        if not (_GTIN.fullmatch(gtin) and _ASIN.fullmatch(asin)):
            raise NotFoundError("There is no such match.")
        results.removed(self.repository.change("forget_match", p_gtin=gtin.zfill(14), p_asin=asin), "match")


def _decoded(cursor: str) -> Document:
    """Return the end of the previous page of matches. Raises InvalidCursorError."""
    created_at, gtin, asin = cursors.unpack(cursor, members=3)
    try:
        valid = cursors.is_valid(created_at, "created_at")
    except ValueError:
        valid = False
    if not (valid and re.fullmatch("[0-9]{14}", gtin) and _ASIN.fullmatch(asin)):
        raise InvalidCursorError
    return {"created_at": created_at, "gtin": gtin, "asin": asin}
