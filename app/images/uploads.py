"""What bodies say of an image: a form with a file, or JSON."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile

from app.errors import InvalidRequest, UnsupportedMedia
from app.images.schemas import AttributesPatch, GivenImage
from indexer.attributes import Attributes, normalised
from indexer.errors import Rejected
from indexer.live.writes import Patch
from indexer.sources.tables.jsonl_table import json_object

Model = TypeVar("Model", bound=BaseModel)

_FORM_FIELDS = {"file", "attributes"}
_MAX_FIELD_BYTES = 128 * 1024
"""Attributes are at most 16 KB; in JSON a character of theirs may be written in six."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file, or where to get it."""

    data: bytes | None
    url: str | None
    attributes: Attributes | None


async def read_upload(request: Request) -> Upload:
    """Raises UnsupportedMedia, InvalidRequest, RequestValidationError."""
    kind = media_type(request)
    if kind == "multipart/form-data":
        # Two files: attributes may come as one.
        async with request.form(max_files=2, max_fields=2, max_part_size=_MAX_FIELD_BYTES) as form:
            return await _of_form(form)
    if kind == "application/json":
        body = await request.body()
        return await run_in_threadpool(_of_json, body)
    raise UnsupportedMedia("send multipart/form-data with a file, or application/json")


async def read_patch(request: Request, key: str) -> Patch:
    """Raises UnsupportedMedia, InvalidRequest, RequestValidationError."""
    if media_type(request) not in {"application/json", "application/merge-patch+json"}:
        raise UnsupportedMedia("send application/json")
    given = _validated(AttributesPatch, await request.body())
    return patch_of(key, given.attributes)


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def upload_of(given: GivenImage) -> Upload:
    """Raises InvalidRequest."""
    attributes = None if given.attributes is None else _attributes_of(given.attributes)
    data = None if given.base64 is None else unpacked(given.base64)
    return Upload(data, given.url, attributes)


def patch_of(key: str, attributes: Mapping[str, object]) -> Patch:
    """Raises InvalidRequest."""
    try:
        return Patch.of(key, attributes)
    except Rejected as rejected:
        raise InvalidRequest(f"attributes: {rejected.detail}") from None


def object_of(text: bytes) -> dict[str, Any]:
    """Raises InvalidRequest."""
    try:
        return json_object(text.decode())
    except ValueError as error:
        raise InvalidRequest(f"not a JSON object in UTF-8: {error}") from None


def unpacked(text: str) -> bytes:
    """A file in base64; line breaks are passed over. Raises InvalidRequest."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise InvalidRequest("base64: not base64") from None


def _of_json(body: bytes) -> Upload:
    return upload_of(_validated(GivenImage, body))


async def _of_form(form: FormData) -> Upload:
    fields = dict(form)
    if len(fields) < len(form.multi_items()) or not fields.keys() <= _FORM_FIELDS:
        raise InvalidRequest("a form has one file, and attributes at most")
    file, attributes = fields.get("file"), fields.get("attributes")
    if not isinstance(file, UploadFile):
        raise InvalidRequest("file: send the picture in a field of that name, with a file name")
    if isinstance(attributes, UploadFile):
        given = await attributes.read(_MAX_FIELD_BYTES)
    else:
        given = (attributes or "").encode()
    data = await file.read()
    return Upload(data, None, _attributes_of(object_of(given)) if given else None)


def _validated(model: type[Model], body: bytes) -> Model:
    try:
        return model.model_validate(object_of(body))
    except ValidationError as error:
        errors = [{**item, "loc": ("body", *item["loc"])} for item in error.errors()]
        raise RequestValidationError(errors) from None


def _attributes_of(given: Mapping[str, object]) -> Attributes:
    try:
        return normalised(given)
    except Rejected as rejected:
        raise InvalidRequest(f"attributes: {rejected.detail}") from None
