"""JSON schemas (draft 2020-12) of the models that the routes use."""

from collections.abc import Iterable
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.openapi.components import ProblemDocument
from app.openapi.operations import Operation

_TEMPLATE: Final = "#/components/schemas/{model}"

Mode = Literal["validation", "serialization"]


class Schemas:
    """The schemas of all models of the operations."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        """Make the schemas of the bodies and answers of `operations`."""
        models = dict.fromkeys(_models(operations))
        self._references, definitions = models_json_schema(list(models), ref_template=_TEMPLATE)
        self.components: dict[str, Any] = {
            name: _without(schema, "title", "default") for name, schema in sorted(definitions.get("$defs", {}).items())
        }

    def reference(self, model: type[BaseModel]) -> dict[str, Any]:
        """Return a reference to the schema of `model`."""
        modes: tuple[Mode, Mode] = ("serialization", "validation")
        return dict(next(self._references[model, mode] for mode in modes if (model, mode) in self._references))

    @staticmethod
    def inline(model: type[BaseModel]) -> dict[str, Any]:
        """Return the schema of `model` itself."""
        schema: dict[str, Any] = _without(model.model_json_schema(ref_template=_TEMPLATE), "title")
        return schema


def _models(operations: Iterable[Operation]) -> Iterable[tuple[type[BaseModel], Mode]]:
    yield ProblemDocument, "serialization"
    for operation in operations:
        if operation.body is not None:
            yield operation.body, "validation"
        for answer in operation.answers.values():
            if answer.model is not None:
                yield answer.model, "serialization"


def _without(schema: Any, *dropped: str) -> Any:  # noqa: ANN401 - any JSON
    """Return `schema` without the keywords `dropped`.

    Titles only repeat the names. A client that is generated from the document sends the defaults: in a body that would
    overwrite fields, because a member that is missing leaves the field as it is.
    """
    if isinstance(schema, list):
        return [_without(part, *dropped) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {member: _without(part, *dropped) for member, part in value.items()}
        if name == "properties"
        else _without(value, *dropped)
        for name, value in schema.items()
        if name not in dropped
    }
