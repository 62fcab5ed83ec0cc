"""What bodies look like, for the API's description: they are read by hand, see uploads.py."""

from typing import Any

from pydantic import BaseModel

from app.images.schemas import (
    AttributesPatch,
    DeleteLine,
    GivenImage,
    LineAnswer,
    PatchLine,
    PutLine,
)

_FORM = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "The picture file, under a file name",
        },
        "attributes": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "An object of attributes, as in JSON bodies",
            "examples": ['{"상품명": "빨간 운동화", "price": 39000}'],
        },
    },
}
_LINES = """\
{"id": "sku-4", "url": "https://cdn.example/4.jpg", "attributes": {"상품명": "파란 모자"}}
{"op": "patch", "id": "sku-4", "attributes": {"price": 8000}}
{"op": "delete", "id": "sku-9"}
"""
_ANSWERS = """\
{"line": 1, "id": "sku-4", "status": 201}
{"line": 2, "id": "sku-4", "status": 200}
{"line": 3, "id": "sku-9", "status": 404, "code": "not_found", "detail": "there is no such image"}
"""


def _body(**schemas: Any) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": schemas}}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": model.model_json_schema()}}


def _ndjson(lines: str, *models: type[BaseModel]) -> dict[str, Any]:
    """`models`: what a line may be; a schema can only describe the whole, which is a text."""
    return {
        "application/x-ndjson": {
            "schema": {
                "type": "string",
                "description": "A line each of what `x-line` describes",
                "examples": [lines],
            },
            "x-line": {"anyOf": [model.model_json_schema() for model in models]},
        }
    }


PUT_BODY = _body(**{"multipart/form-data": {"schema": _FORM}}, **_json(GivenImage))
PATCH_BODY = _body(**_json(AttributesPatch))
BATCH_BODY = _body(**_ndjson(_LINES, PutLine, PatchLine, DeleteLine))
BATCH_ANSWER: dict[int | str, dict[str, Any]] = {200: {"content": _ndjson(_ANSWERS, LineAnswer)}}
