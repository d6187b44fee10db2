"""Models of the answers of the products API, for its description.

The database makes these documents, so the views send them without a second validation. The tests validate each answer
that they get.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, RootModel, StringConstraints

from app.openapi.components import ProblemDocument
from app.products.matching.answers import Candidate, Decision, Match
from app.products.schemas import AsinStatus, Stage

Count = Annotated[int, Field(ge=0)]
MistakesOmitted = Annotated[int, Field(default=0, ge=1, description="Mistakes that were not listed.")]
NotesOmitted = Annotated[int, Field(default=0, ge=1, description="Notes that were not listed.")]
ImportBatch = Annotated[
    UUID | None, Field(description="The batch that undoes the import. Null if no deal was created or changed.")
]
Amount = Annotated[str, StringConstraints(pattern=r"^\d+\.\d\d$")]


class Product(BaseModel):
    """A product."""

    id: UUID
    asin: Annotated[str | None, Field(description="Its ASIN, or a placeholder that is not one.")]
    upc: Annotated[str | None, Field(description="Its UPC or EAN.")]
    title: str
    brand: Annotated[str, Field(description="Empty when unknown.")]
    multiple_asins: Annotated[bool, Field(description="Several ASINs match it.")]
    asin_status: AsinStatus
    open_candidates: Annotated[Count, Field(description="Number of candidates that are not dismissed.")]
    merged_into: Annotated[UUID | None, Field(description="The product into which it was merged.")]
    upc_is_valid: Annotated[bool | None, Field(description="The check digit is right; null without a UPC.")]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Deal(BaseModel):
    """A deal: the offer of one supplier for a product."""

    id: UUID
    product_id: UUID
    supplier: Annotated[str, Field(description="Empty when unknown.")]
    buy_cost: Annotated[Amount | None, Field(description="Cost of one unit as text with two decimals.")]
    moq: Annotated[int | None, Field(description="Minimum order quantity.")]
    stage: Stage
    favorite: bool
    notes: str
    active: Annotated[bool, Field(description="False when the deal is deleted.")]
    deleted_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ListedDeal(Deal):
    """A deal with its product."""

    product: Product
    etag: Annotated[str, Field(description="The entity tag of the deal and its product, without quotes.")]


class ProductWithDeals(Product):
    """A product with its candidates, its deals, and the decisions about it. Deleted deals are included."""

    candidates: Annotated[list[Candidate], Field(description="In their order; dismissed ones come last.")]
    match: Annotated[Match | None, Field(description="The match that gives products with its identifier their ASIN.")]
    history: Annotated[list[Decision], Field(description="The newest 50 decisions, newest first.")]
    deals: Annotated[list[Deal], Field(description="Oldest first.")]
    etag: Annotated[str, Field(description="The entity tag of all other members, without quotes.")]


class QueuedProduct(BaseModel):
    """The next product of a queue."""

    product: Annotated[ProductWithDeals | None, Field(description="null at the end of the queue.")]
    next_cursor: Annotated[str | None, Field(description="The `after` with which the queue continues after it.")]


class Repair(BaseModel):
    """A field that is stored differently than the request wrote it."""

    field: Literal["upc"]
    given: str
    stored: str
    reason: str


Repairs = Annotated[list[Repair], Field(default=[], min_length=1, description="Only if something was repaired.")]


class CreatedDeal(ListedDeal):
    """A deal with its product, and what was repaired in the request."""

    repaired: Repairs


class ChangedProduct(ProductWithDeals):
    """A product with all its deals, and what was repaired in the request."""

    repaired: Repairs


class DealPage(BaseModel):
    """One page of the list."""

    items: list[ListedDeal]
    next_cursor: Annotated[str | None, Field(description="The `cursor` of the next page; null on the last page.")]
    total: Annotated[
        int,
        Field(default=0, ge=0, description="Number of deals in the list, at most 10000. Only if `Prefer` asks for it."),
    ]
    total_is_exact: Annotated[bool, Field(default=True, description="False if the list has more deals than `total`.")]


class AsinStatusCounts(BaseModel):
    """The number of products with an active deal by status. The four statuses sum to `all`."""

    all: Count
    asin_found: Count
    needs_selection: Count
    needs_asin: Count
    manual_entry: Count


class ImportStart(BaseModel):
    """First line of an import: how the file was understood."""

    columns: Annotated[dict[str, str], Field(description="The name of the column of each field.")]
    ignored: Annotated[list[str], Field(description="Columns that are not imported.")]
    encoding: Annotated[str, Field(description="The encoding of a text file, or `xlsx`.")]
    sheet: Annotated[str, Field(default="", description="The sheet of a workbook that is imported.")]
    of: Annotated[Count, Field(description="Number of rows in the file.")]


class ImportChecked(BaseModel):
    """Progress before anything is written."""

    checked: Annotated[Count, Field(description="Rows that have been checked.")]


class ImportMistake(BaseModel):
    """A cell that cannot be imported."""

    line: Annotated[int, Field(ge=1)]
    column: Annotated[str, Field(description="Empty when the whole row is meant.")]
    reason: str


class ImportNote(BaseModel):
    """What a cell was read as, where that is not what it says."""

    line: Annotated[int, Field(ge=1)]
    column: str
    note: str


class ImportTotals(BaseModel):
    """The rows that were processed so far, by result. `rows` is the sum of the others."""

    rows: Count
    created: Count
    updated: Count
    unchanged: Count
    repeated: Count
    rejected: Count


class ImportDone(ImportTotals):
    """Last line of a complete import."""

    done: Literal[True]
    mistakes_omitted: MistakesOmitted
    notes_omitted: NotesOmitted
    dry_run: bool
    batch_id: ImportBatch


class ImportFailed(ImportTotals):
    """Last line of an import that stopped. The totals count the rows that were imported."""

    error: ProblemDocument
    mistakes_omitted: MistakesOmitted
    notes_omitted: NotesOmitted
    batch_id: ImportBatch


class ImportLine(
    RootModel[ImportStart | ImportChecked | ImportMistake | ImportNote | ImportTotals | ImportDone | ImportFailed]
):
    """One line of the answer to an import."""


class CandidatesTotals(BaseModel):
    """The rows that were processed so far, by result. `rows` is the sum of the others except for `decided`."""

    rows: Count
    stored: Annotated[Count, Field(description="The candidate was added or changed.")]
    unchanged: Annotated[Count, Field(description="The row contained nothing new.")]
    never: Annotated[Count, Field(description="A match says that the ASIN never belongs to the identifier.")]
    empty: Annotated[Count, Field(description="The row has no ASIN.")]
    unknown: Annotated[Count, Field(description="There is no such product, or the row has not exactly one code.")]
    rejected: Count
    decided: Annotated[Count, Field(description="Number of products that got their ASIN.")]


class CandidatesDone(CandidatesTotals):
    """Last line of a complete import of candidates."""

    done: Literal[True]
    mistakes_omitted: MistakesOmitted
    accept_single: bool


class CandidatesFailed(CandidatesTotals):
    """Last line of an import of candidates that stopped. The totals count the rows that were imported."""

    error: ProblemDocument
    mistakes_omitted: MistakesOmitted


class CandidatesLine(
    RootModel[ImportStart | ImportChecked | ImportMistake | CandidatesTotals | CandidatesDone | CandidatesFailed]
):
    """One line of the answer to an import of candidates. Without a file, `line` is the place in the list, from 1."""
