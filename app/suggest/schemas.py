"""Suggestions as clients see them."""

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

_EXAMPLE: JsonDict = {"text": "운동화", "count": 42}


class Suggestion(BaseModel):
    model_config = ConfigDict(
        use_attribute_docstrings=True, json_schema_extra={"examples": [_EXAMPLE]}
    )

    text: str
    """What may be meant."""
    count: int
    """Images that have it; of what only was searched for, how often."""


class SuggestResponse(BaseModel):
    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"suggestions": [_EXAMPLE]}]},
    )

    suggestions: list[Suggestion]
    """The most used first."""
