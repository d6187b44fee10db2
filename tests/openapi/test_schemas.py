"""The schemas of the request bodies accept what the models accept, and refuse what they refuse."""

import json
from typing import Any, Final
from uuid import uuid4

import pytest
from pydantic import BaseModel, ValidationError

from app.products.bulk import BulkAction
from app.products.matching.schemas import AsinDecision, BulkAsin, CandidateList, MergeInto
from app.products.schemas import DealFields, NewProduct
from tests.openapi.contract import contract

_CANDIDATE: Final = {"asin": "B000000001"}
_IDS: Final = [str(uuid4()), str(uuid4())]


@pytest.mark.parametrize(
    ("model", "body", "valid"),
    [
        (NewProduct, {"title": "Lamp"}, True),
        (NewProduct, {}, False),
        (NewProduct, {"title": "  "}, False),
        (NewProduct, {"title": "x" * 501}, False),
        (NewProduct, {"title": "a\0b"}, False),
        (NewProduct, {"title": "Lamp", "other": 1}, False),
        (NewProduct, {"title": "Lamp", "asin": " b000000001 "}, True),
        (NewProduct, {"title": "Lamp", "asin": "B00000000-"}, False),
        (NewProduct, {"title": "Lamp", "upc": "1234567"}, False),
        (NewProduct, {"title": "Lamp", "upc": None}, True),
        (DealFields, {"notes": "\0"}, False),
        (DealFields, {"buy_cost": 0.29}, True),
        (DealFields, {"buy_cost": "1000000.00"}, True),
        (DealFields, {"buy_cost": "1000000.01"}, False),
        (DealFields, {"buy_cost": 0.125}, False),
        (DealFields, {"buy_cost": -1}, False),
        (DealFields, {"moq": 3.0}, True),
        (DealFields, {"moq": 3.5}, False),
        (DealFields, {"moq": "3"}, False),
        (DealFields, {"favorite": 1}, False),
        (BulkAction, {"action": "delete", "deal_ids": _IDS}, True),
        (BulkAction, {"action": "delete", "deal_ids": []}, False),
        (BulkAction, {"action": "delete", "deal_ids": _IDS[:1] * 2}, False),
        (BulkAction, {"action": "delete", "deal_ids": _IDS, "stage": "new"}, False),
        (BulkAction, {"action": "move", "deal_ids": _IDS, "stage": "new"}, True),
        (BulkAction, {"action": "move", "deal_ids": _IDS}, False),
        (AsinDecision, {"asin": "B000000001", "remember": "always"}, True),
        (AsinDecision, {"none": True, "remember": "never"}, True),
        (AsinDecision, {"asin": None, "none": True, "remember": None}, True),
        (AsinDecision, {}, False),
        (AsinDecision, {"asin": "B000000001", "none": True}, False),
        (AsinDecision, {"asin": "B000000001", "remember": "never"}, False),
        (AsinDecision, {"none": True, "remember": "always"}, False),
        (AsinDecision, {"none": False}, False),
        (CandidateList, {"candidates": []}, True),
        (CandidateList, {"candidates": [_CANDIDATE, {**_CANDIDATE, "asin": "B000000002"}]}, True),
        (CandidateList, {"candidates": [_CANDIDATE] * 2}, False),
        (CandidateList, {"candidates": [{**_CANDIDATE, "image_url": "https://example.com/1.jpg"}]}, True),
        (CandidateList, {"candidates": [{**_CANDIDATE, "image_url": "https://"}]}, False),
        (CandidateList, {"candidates": [{**_CANDIDATE, "image_url": "http://example.com/"}]}, False),
        (CandidateList, {"candidates": [{**_CANDIDATE, "sales_rank": 0}]}, False),
        (CandidateList, {"candidates": [{"title": "Lamp"}]}, False),
        (BulkAsin, {"rows": [{"upc": "any text", "asin": "B0"}], "remember": "always"}, True),
        (BulkAsin, {"rows": []}, False),
        (BulkAsin, {"rows": [{"upc": 12345670, "asin": "B000000001"}]}, False),
        (MergeInto, {"into": _IDS[0]}, True),
        (MergeInto, {"into": "x"}, False),
    ],
)
def test_the_schema_and_the_model_agree(model: type[BaseModel], body: dict[str, Any], *, valid: bool) -> None:
    """What a validator in Python checks is in the schema too."""
    mistakes = contract().json_mistakes({"$ref": f"#/components/schemas/{model.__name__}"}, body)
    assert (mistakes == []) is valid, mistakes
    if valid:
        model.model_validate_json(json.dumps(body))
    else:
        with pytest.raises(ValidationError):
            model.model_validate_json(json.dumps(body))
