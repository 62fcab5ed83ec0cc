"""A search with an uploaded picture: a form, read as the JSON that it stands for."""

import base64
import json
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from app.errors import InvalidRequest
from app.images.uploads import object_of

MEDIA_TYPE = "multipart/form-data"

_FIELDS = {"request", "image"}
_MAX_REQUEST_BYTES = 1024**2

FORM_BODY: dict[str, Any] = {
    "requestBody": {
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "A picture file, for `image` of the request",
                        },
                        "request": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "description": "A SearchRequest without `image`",
                            "examples": ['{"k": 10, "filter": {"category": "신발"}}'],
                        },
                    },
                }
            }
        }
    }
}


async def as_json(request: Request) -> Request:
    """The request that sends the same as JSON. Raises InvalidRequest, HTTPException."""
    # Two files: the request may come as one.
    async with request.form(max_files=2, max_fields=2, max_part_size=_MAX_REQUEST_BYTES) as form:
        asked, picture = await _asked(form)
    body = await run_in_threadpool(_body, asked, picture)
    headers = [
        (name, value)
        for name, value in request.scope["headers"]
        if name not in {b"content-type", b"content-length"}
    ]
    headers.append((b"content-type", b"application/json"))
    sent = Request({**request.scope, "headers": headers}, request.receive)
    sent._body = body  # noqa: SLF001 - where Starlette keeps a body that was read
    return sent


async def _asked(form: FormData) -> tuple[dict[str, Any], bytes]:
    """The request without its image, and the picture. Raises InvalidRequest."""
    fields = dict(form)
    if len(fields) < len(form.multi_items()) or not fields.keys() <= _FIELDS:
        raise InvalidRequest("a form has one image, and a request at most")
    image, given = fields.get("image"), fields.get("request")
    if not isinstance(image, UploadFile):
        raise InvalidRequest("image: send the picture in a field of that name, with a file name")
    if isinstance(given, UploadFile):
        text = await given.read(_MAX_REQUEST_BYTES)
    else:
        text = (given or "").encode()
    asked = object_of(text) if text else {}
    if "image" in asked:
        raise InvalidRequest("request.image: the form has an image already")
    picture = await image.read()
    if not picture:
        raise InvalidRequest("image: the file is empty")
    return asked, picture


def _body(asked: dict[str, Any], picture: bytes) -> bytes:
    image = {"base64": base64.b64encode(picture).decode("ascii")}
    return json.dumps(asked | {"image": image}).encode()
