"""What bodies look like, for the API's description: they are read by hand, see uploads.py."""

from typing import Any

from pydantic import BaseModel

from app.images.schemas import AttributesPatch, GivenImage, batch_line

_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "attributes": {"type": "string", "contentMediaType": "application/json"},
    },
}


def _body(**schemas: Any) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": schemas}}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": model.model_json_schema()}}


PUT_BODY = _body(**{"multipart/form-data": {"schema": _FORM}}, **_json(GivenImage))
PATCH_BODY = _body(**_json(AttributesPatch))
BATCH_BODY = _body(
    **{
        "application/x-ndjson": {
            "schema": {"type": "string", "description": "A line each of what `x-line` describes"},
            "x-line": batch_line.json_schema(ref_template="#/components/schemas/{model}"),
        }
    }
)
