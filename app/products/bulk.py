"""Models of the actions on many deals."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from app.products.schemas import Action, AsinStatus, Body, Search, Stage

MAX_BULK: Final = 1000


class _DealAction(Body):
    """An action, and the stage that `move` needs."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"action": {"const": "move"}}, "required": ["action"]},
            "then": {"properties": {"stage": {"type": "string"}}, "required": ["stage"]},
            "else": {"properties": {"stage": {"type": "null"}}},
        }
    )

    action: Action
    stage: Annotated[Stage | None, Field(validate_default=True)] = None

    @field_validator("stage")
    @classmethod
    def _only_for_move(cls, value: Stage | None, info: ValidationInfo) -> Stage | None:
        action = info.data.get("action")
        if action == "move" and value is None:
            raise PydanticCustomError("stage", "The action 'move' needs the stage to move to")
        if action not in {None, "move"} and value is not None:
            raise PydanticCustomError("stage", "Only the action 'move' takes a stage")
        return value


class BulkAction(_DealAction):
    """One action on up to 1000 deals. It is applied to all of them or to none."""

    deal_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_BULK, json_schema_extra={"uniqueItems": True})]

    @field_validator("deal_ids")
    @classmethod
    def _without_duplicates(cls, value: list[UUID]) -> list[UUID]:
        if len(set(value)) != len(value):
            raise PydanticCustomError("duplicate", "The same deal occurs twice")
        return value


class DealFilter(Body):
    """The filters of the list. A missing one matches every deal."""

    asin_status: AsinStatus | None = None
    stage: Stage | None = None
    favorite: bool | None = None
    search: Search | None = None


class MatchingAction(_DealAction):
    """One step of an action on all deals that match a filter: up to 1000 deals, newest first.

    The first step has neither `cursor` nor `batch_id`. Each further step has both, from the answer to the step before.
    """

    filter: DealFilter = DealFilter()
    cursor: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    batch_id: UUID | None = None
