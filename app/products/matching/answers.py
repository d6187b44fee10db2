"""Models of the answers about candidates, matches and decisions, for their description."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field


class Candidate(BaseModel):
    """An ASIN that may be the listing of a product."""

    asin: str
    title: Annotated[str, Field(description="Title of the listing; empty when unknown.")]
    brand: Annotated[str, Field(description="Empty when unknown.")]
    image_url: Annotated[str, Field(description="Empty when unknown.")]
    category: Annotated[str, Field(description="Empty when unknown.")]
    package_quantity: Annotated[int | None, Field(description="Units per package.")]
    sales_rank: Annotated[int | None, Field(description="Sales rank in the category.")]
    source: Annotated[str, Field(description="The service or file that named it; empty when unknown.")]
    position: Annotated[int, Field(description="Its place in the list; the lowest comes first.")]
    dismissed: Annotated[bool, Field(description="The user decided that it is not the listing.")]
    created_at: AwareDatetime


class Match(BaseModel):
    """What the user decided for an identifier and an ASIN."""

    gtin: Annotated[str, Field(description="The UPC or EAN as a GTIN-14.")]
    asin: str
    verdict: Annotated[
        Literal["always", "never"],
        Field(description="always: products with the identifier get the ASIN. never: it is no candidate for them."),
    ]
    created_at: AwareDatetime


class ListedMatch(Match):
    """A match, with the title of the product that has its identifier."""

    title: Annotated[str | None, Field(description="null if no product has the identifier.")]


class MatchPage(BaseModel):
    """One page of the matches, newest first."""

    items: list[ListedMatch]
    next_cursor: Annotated[str | None, Field(description="The `cursor` of the next page; null on the last page.")]


class Decision(BaseModel):
    """A decision about the ASIN of a product."""

    id: UUID
    kind: Annotated[
        Literal["asin", "none", "merge"],
        Field(
            description="asin: an ASIN was chosen or entered. none: all candidates were dismissed. merge: another "
            "product was merged into this one."
        ),
    ]
    asin: Annotated[str | None, Field(description="The ASIN that was chosen.")]
    other_product_id: Annotated[UUID | None, Field(description="The product that was merged into this one.")]
    remembered: Annotated[bool, Field(description="It also made matches.")]
    made_at: AwareDatetime
    undone_at: AwareDatetime | None
    can_undo: Annotated[bool, Field(description="It can be undone now.")]


class RowOutcome(BaseModel):
    """What happened with one of many decisions."""

    row: Annotated[int, Field(ge=0, description="Index of the row, from 0. Empty lines are not counted.")]
    outcome: Annotated[
        Literal["set", "unchanged", "unknown", "refused"],
        Field(
            description="set: the product now has the ASIN. unchanged: it had the ASIN. unknown: there is no such "
            "product. refused: `reason` says why."
        ),
    ]
    product_id: UUID | None
    conflict: Annotated[str | None, Field(description="The kind of conflict, as in the problem `conflict`.")]
    reason: str | None
    conflict_product_id: Annotated[UUID | None, Field(description="The product that it contradicts.")]


class BulkAsinResult(BaseModel):
    """The outcome of each row, in the order of the rows."""

    results: list[RowOutcome]
