"""Many decisions at once. Each row is judged on its own, so a row that cannot be read does not stop the others."""

from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from app.products.matching.repository import Matching
from app.products.matching.schemas import AsinRow, GivenRow
from app.products.results import Document

_REFUSED: Final[Document] = {
    "outcome": "refused", "product_id": None, "conflict": None, "reason": None, "conflict_product_id": None,
}  # fmt: skip


def decide_rows(matching: Matching, rows: Sequence[GivenRow], *, remember: bool) -> list[Document]:
    """Give each product its ASIN. Returns the outcome of each row, in their order."""
    valid: dict[int, AsinRow] = {}
    outcomes: dict[int, Document] = {}
    for place, given in enumerate(rows):
        try:
            valid[place] = _checked(given)
        except ValidationError as error:
            outcomes[place] = {"row": place, **_REFUSED, "reason": _reason(error)}
    if valid:
        decided = matching.decide_many(list(valid.values()), remember=remember)
        for place, outcome in zip(valid, decided, strict=True):
            outcomes[place] = {**outcome, "row": place}
    return [outcomes[place] for place in range(len(rows))]


def _checked(given: GivenRow) -> AsinRow:
    return AsinRow.model_validate(given.model_dump(exclude_none=True), strict=False)


def _reason(error: ValidationError) -> str:
    """Return what is wrong with a row, in one sentence for each field."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return ". ".join(
        "This is not the id of a product" if mistake["loc"] == ("product_id",) else mistake["msg"] for mistake in found
    )
