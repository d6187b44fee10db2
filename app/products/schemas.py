"""Models of the requests. They validate every field, so that the database does not get values it cannot store."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema, WithJsonSchema
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from app.products.identifiers import RepairedIdentifier, read_identifier

AsinStatus = Literal["asin_found", "needs_selection", "needs_asin", "manual_entry"]
Stage = Literal["new", "researching", "contacted", "ordered", "received", "rejected"]
Action = Literal["delete", "restore", "move", "favorite", "unfavorite"]
Sort = Literal[
    "created_at", "-created_at", "title", "-title", "buy_cost", "-buy_cost", "supplier", "-supplier"
]  # fmt: skip

MAX_MONEY = Decimal(1_000_000)


def _asin(value: str) -> str:
    # Check before the conversion to upper case, because that turns other letters into A-Z (sharp s becomes SS).
    if not re.fullmatch(r"[A-Za-z0-9]{10}", value):
        raise PydanticCustomError("asin", "An ASIN is exactly 10 letters A-Z or digits")
    return value.upper()


def _upc(value: str) -> str:
    try:
        identifier = read_identifier(value)
    except ValueError as error:
        raise PydanticCustomError("upc", "{reason}", {"reason": str(error)}) from None
    return RepairedIdentifier.of(identifier, given=value) if identifier.note else identifier.value


def _whole(value: object, info: ValidationInfo) -> object:
    # JSON has one type of numbers: 3.0 is a whole number. The database and this model distinguish them.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    # A form contains text only. The model is strict, so it would refuse this text after a validator of ours.
    if info.mode != "json" and isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value, re.ASCII):
        return int(value)
    return value


def _storable(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("nul", "The NUL character cannot be stored")
    return value


def _text(*, at_least: int = 0, at_most: int) -> Any:  # noqa: ANN401 - metadata for Annotated
    return StringConstraints(strip_whitespace=True, min_length=at_least, max_length=at_most)


def _described(**schema: str | bool) -> Any:  # noqa: ANN401 - metadata for Annotated
    """Add to the JSON schema of a type what its validators check in Python."""
    return Field(json_schema_extra={**schema})


Storable = AfterValidator(_storable)
NoNul = _described(pattern=r"^[^\x00]*$")
Asin = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    AfterValidator(_asin),
    _described(pattern=r"^\s*[A-Za-z0-9]{10}\s*$"),
]
Upc = Annotated[
    str, StringConstraints(strip_whitespace=True), AfterValidator(_upc), _described(pattern=r"^\s*[0-9]{8,14}\s*$")
]
Title = Annotated[str, _text(at_least=1, at_most=500), Storable, _described(pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
Name = Annotated[str, _text(at_most=200), Storable, NoNul]
Notes = Annotated[str, _text(at_most=5000), Storable, NoNul]
Money = Annotated[
    Decimal,
    Field(ge=0, le=MAX_MONEY, decimal_places=2, allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": int(MAX_MONEY), "multipleOf": 0.01},
                {"type": "string", "pattern": r"^(1000000(\.00?)?|[0-9]{1,6}(\.[0-9]{1,2})?)$"},
            ]
        }
    ),
]
Quantity = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(_whole)]
Rank = Annotated[int, Field(ge=1, le=1_000_000_000), BeforeValidator(_whole)]


_TWO = _described(pattern=r"^[^\x00]*[^\s\x00][^\x00]*[^\s\x00][^\x00]*$")  # two characters remain without the spaces
Search = Annotated[str, _text(at_least=2, at_most=200), Storable, _TWO]


class Body(BaseModel):
    """Base of the bodies of requests."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def given(self) -> dict[str, Any]:
        """Return the fields that the caller sent, as JSON values (money as text)."""
        return self.model_dump(mode="json", exclude_unset=True)


class ProductFields(Body):
    """The fields of a product that a PATCH may change. null removes an ASIN or UPC."""

    asin: Asin | None = None
    upc: Upc | None = None
    title: Title = ""
    brand: Name = ""
    multiple_asins: bool = False

    def repaired(self) -> list[dict[str, str]]:
        """Return what is stored differently than the caller wrote it, and why."""
        if not isinstance(self.upc, RepairedIdentifier):
            return []
        return [{"field": "upc", "given": self.upc.given, "stored": str(self.upc), "reason": self.upc.reason}]


class DealFields(Body):
    """The fields of a deal that a PATCH may change. null clears cost or MOQ. Money is in the account's currency."""

    supplier: Name = ""
    buy_cost: Money | None = None
    moq: Quantity | None = None
    stage: Stage = "new"
    favorite: bool = False
    notes: Notes = ""


class NewProduct(ProductFields, DealFields):
    """A product together with its first deal."""

    title: Title

    def product(self) -> dict[str, Any]:
        """Return the fields of the product that the caller sent."""
        return {name: value for name, value in self.given().items() if name in ProductFields.model_fields}

    def deal(self) -> dict[str, Any]:
        """Return the fields of the deal that the caller sent."""
        return {name: value for name, value in self.given().items() if name in DealFields.model_fields}


class ListQuery(BaseModel):
    """The filters, the sort order and the page of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asin_status: AsinStatus | None = None
    stage: Stage | None = None
    favorite: bool | None = None
    active: bool = True
    search: Search | None = None
    sort: Sort = "-created_at"
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, min_length=1, max_length=4000)


class FileQuery(BaseModel):
    """How a file is read. Without these options, the sheet of a workbook and the row of the header are recognized."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sheet: Annotated[str, Field(max_length=255, description="The name of the sheet of a workbook.")] = ""
    header_row: Annotated[
        int | None, Field(ge=1, le=1_048_576, description="The line or row that contains the column names.")
    ] = None


class ImportQuery(FileQuery):
    """Options of an import. A dry run reports what would happen and changes nothing."""

    dry_run: bool = False


class ExportQuery(ListQuery):
    """The filters and the sort order of an export. It always has all pages."""

    limit: SkipJsonSchema[Literal[1000]] = 1000
    cursor: SkipJsonSchema[None] = None


class DeleteQuery(BaseModel):
    """Options of a deletion. `hard` removes the deal permanently."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hard: bool = False
