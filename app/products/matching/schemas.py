"""Models of the requests about candidates, decisions, merges, matches and the queue."""

import re
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from app.products.schemas import (
    Asin,
    AsinStatus,
    Body,
    FileQuery,
    Name,
    NoNul,
    Quantity,
    Rank,
    Storable,
    Upc,
)

MAX_CANDIDATES: Final = 50
MAX_ROWS: Final = 1000

PRODUCT_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""The id of a product in a text where a UPC may stand instead."""

LongTitle = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), Storable, NoNul]
Source = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), Storable, NoNul]
SearchText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    Storable,
    Field(json_schema_extra={"pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"}),
]
Cell = Annotated[str, StringConstraints(max_length=200)]


def _image_url(value: str) -> str:
    if not re.fullmatch("(https://[!-~]+)?", value):
        raise PydanticCustomError("image_url", "An image address starts with https:// and has ASCII characters only")
    return value


ImageUrl = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=2000),
    AfterValidator(_image_url),
    Field(json_schema_extra={"pattern": r"^\s*(https://[!-~]+)?\s*$"}),
]


class ListingFields(Body):
    """What a look-up has found about a listing."""

    title: LongTitle = ""
    brand: Name = ""
    image_url: ImageUrl = ""
    category: Name = ""
    package_quantity: Quantity | None = None
    sales_rank: Rank | None = None
    source: Source = ""


class CandidateFields(ListingFields):
    """An ASIN that may be the listing of a product, and what is known about the listing."""

    asin: Asin


class CandidateList(Body):
    """The candidates of a product, best first. Each ASIN occurs once."""

    candidates: Annotated[
        list[CandidateFields], Field(max_length=MAX_CANDIDATES, json_schema_extra={"uniqueItems": True})
    ]

    @field_validator("candidates")
    @classmethod
    def _without_duplicates(cls, value: list[CandidateFields]) -> list[CandidateFields]:
        if len({candidate.asin for candidate in value}) != len(value):
            raise PydanticCustomError("duplicate", "The same ASIN occurs twice")
        return value


class CandidatesQuery(FileQuery):
    """Options of a list of candidates. `accept_single` gives a product its only candidate as its ASIN."""

    accept_single: bool = False


class AsinDecision(Body):
    """A decision about the ASIN of a product: this ASIN, or none of the candidates.

    `remember` makes matches: `always` for the ASIN, or `never` for each candidate.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "properties": {
                        "asin": {"type": "string"},
                        "none": {"type": "null"},
                        "remember": {"enum": ["always", None]},
                    },
                    "required": ["asin"],
                },
                {
                    "properties": {
                        "asin": {"type": "null"},
                        "none": {"const": True},
                        "remember": {"enum": ["never", None]},
                    },
                    "required": ["none"],
                },
            ]
        }
    )

    asin: Asin | None = None
    none: Literal[True] | None = None
    remember: Literal["always", "never"] | None = None

    @model_validator(mode="after")
    def _one_decision(self) -> Self:
        if (self.asin is None) is (self.none is None):
            raise PydanticCustomError("decision", "Send either an ASIN or none: true")
        if self.remember not in {None, "never" if self.none else "always"}:
            raise PydanticCustomError("remember", "An ASIN is remembered as always, and none of them as never")
        return self


class MergeInto(Body):
    """The product into which another one is merged."""

    into: UUID


class AsinRow(Body):
    """One of many decisions: the product, by its id or its UPC, and its ASIN."""

    product_id: UUID | None = None
    upc: Upc | None = None
    asin: Asin

    @model_validator(mode="after")
    def _one_product(self) -> Self:
        if (self.product_id is None) is (self.upc is None):
            raise PydanticCustomError("product", "A row names its product by its id or by its UPC")
        return self


class GivenRow(Body):
    """One of many decisions as it was sent: the product, by its id or its UPC, and its ASIN.

    Each row is judged on its own, so its texts may be anything of at most 200 characters.
    """

    product_id: Cell | None = None
    upc: Cell | None = None
    asin: Cell


class BulkAsin(Body):
    """Decisions about many products. `remember` makes a match of each ASIN with the identifier of its product."""

    rows: Annotated[list[GivenRow], Field(min_length=1, max_length=MAX_ROWS)]
    remember: Literal["always"] | None = None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """One row per line: a UPC or product id, then a tab, comma, semicolon or space, then the ASIN."""
        lines = (line.strip() for line in text.splitlines())
        return cls.model_validate({"rows": [_row(line) for line in lines if line]})


def _row(line: str) -> dict[str, str]:
    product, _, asin = re.sub(r"[\s,;]+", " ", line).partition(" ")
    return {"product_id" if PRODUCT_ID.fullmatch(product) else "upc": product, "asin": asin}


class BulkAsinQuery(BaseModel):
    """Options of decisions that are sent as text. `remember` is the same as in JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    remember: Literal["always"] | None = None


class QueueQuery(BaseModel):
    """The queue, and the product after which it continues."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asin_status: AsinStatus
    after: str | None = Field(default=None, min_length=1, max_length=4000)


class MatchQuery(BaseModel):
    """The filter and the page of the list of matches. `search` is a part of a GTIN-14 or ASIN."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    search: SearchText | None = None
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, min_length=1, max_length=4000)
