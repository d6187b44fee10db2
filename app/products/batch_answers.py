"""Models of the answers to actions on many deals. They describe the answers and do not validate them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.products.schemas import Action


class BulkResult(BaseModel):
    """The result of a bulk action."""

    action: Action
    changed: Annotated[int, Field(description="Number of deals that were named; all of them now have the new state.")]
    batch_id: Annotated[UUID | None, Field(description="The batch to undo; null if no deal was changed.")]


class MatchingResult(BaseModel):
    """The result of one step of an action on all deals that match a filter."""

    action: Action
    changed: Annotated[int, Field(description="Number of deals of this step; all of them now have the new state.")]
    batch_id: Annotated[UUID, Field(description="The batch of all steps: for the next step, and to undo the action.")]
    next_cursor: Annotated[str | None, Field(description="The cursor of the next step; null after the last one.")]


class SkippedDeal(BaseModel):
    """A deal that an undo left as it is."""

    deal_id: UUID
    reason: Annotated[
        Literal["changed", "gone"],
        Field(description="`changed`: it was changed after the action. `gone`: it was removed permanently."),
    ]


class BatchUndone(BaseModel):
    """The result of an undo so far."""

    batch_id: UUID
    action: Annotated[Action | Literal["import"], Field(description="The action that is undone.")]
    restored: Annotated[int, Field(description="Number of deals that were put back, in all steps.")]
    skipped: Annotated[int, Field(description="Number of deals that were left as they are, in all steps.")]
    skipped_deals: Annotated[list[SkippedDeal], Field(description="Those of this step, at most 100.")]
    remaining: Annotated[bool, Field(description="True if a further step is needed.")]
