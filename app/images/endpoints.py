"""An image's record and its thumbnails; putting, patching and deleting images."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BeforeValidator

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, needs
from app.errors import AtCapacity, InvalidRequest, NotFound, UnsupportedMedia
from app.images.batch import MEDIA_TYPE as BATCH_TYPE
from app.images.batch import MEDIA_TYPES as BATCH_TYPES
from app.images.batch import Batch, BatchResponse
from app.images.batch_line import status_of
from app.images.bodies import BATCH_ANSWER, BATCH_BODY, PATCH_BODY, PUT_BODY
from app.images.keys import KeyInPath, NewKeyInPath
from app.images.schemas import ImageView, WrittenImage, view_of
from app.images.thumbnails import MEDIA_TYPE
from app.images.uploads import media_type, read_patch, read_upload
from app.images.writer import ImageWriter
from app.problem_codes import ENCODER_CODES
from app.refusals import refuses
from app.state import AppState, State
from app.text import CollectionInPath
from indexer.catalog import repository
from indexer.catalog.tables import Collection, Image, Source
from indexer.errors import Rejected
from indexer.live.writes import Applied, Delete, Status, Write

router = APIRouter(
    prefix="/v1/collections/{collection}/images", tags=["images"], route_class=GuardedRoute
)


def _number(text: str) -> int | str:
    """Literal does not take "320" for 320."""
    return int(text) if text.isdecimal() else text


Size = Annotated[
    Literal[320, 1280], BeforeValidator(_number), Query(description="Longest side in pixels")
]


@router.get(
    "/{key:path}/thumbnail",
    response_class=FileResponse,
    summary="Show an image small",
    responses={
        200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "The picture is the one of `If-None-Match`"},
    },
)
@needs(Scope.READ)
@refuses("unknown_collection", "not_found", "image_rejected")
def thumbnail(
    state: AppState,
    collection: CollectionInPath,
    key: KeyInPath,
    size: Size = 320,
    if_none_match: Annotated[
        str | None, Header(description="The `ETag` of an earlier answer")
    ] = None,
) -> Response:
    """WebP, upright, without metadata.

    It shadows the record of an image whose own id ends in `/thumbnail`, as `similar` does: only
    sources give such ids.
    """
    owner, image, source = _find(state, collection, key)
    headers = {
        "ETag": f'"{image.content_hash[:32]}-{size}"',
        # The same id may get another picture: clients ask again, and mostly hear 304.
        "Cache-Control": "private, max-age=60, must-revalidate",
        "X-Content-Type-Options": "nosniff",
    }
    known = if_none_match or ""
    if headers["ETag"] in known or known == "*":
        return Response(status_code=304, headers=headers)
    path = state["thumbnails"].path_of(owner, image, source, size)
    return FileResponse(path, media_type=MEDIA_TYPE, headers=headers)


@router.get("/{key:path}", summary="Show an image's record")
@needs(Scope.READ)
@refuses("unknown_collection", "not_found")
def show(state: AppState, collection: CollectionInPath, key: KeyInPath) -> ImageView:
    """Where it came from, what it is like, and its attributes."""
    _, image, _ = _find(state, collection, key)
    return ImageView(**view_of(collection, image))


@router.put(
    "/{key:path}",
    summary="Put an image",
    openapi_extra=PUT_BODY,
    responses={201: {"model": WrittenImage, "description": "The image is new"}},
)
@needs(Scope.WRITE)
@refuses(
    "unknown_collection",
    "unsupported_media_type",
    "image_rejected",
    "storage_failed",
    *ENCODER_CODES,
)
async def put(
    state: AppState,
    collection: CollectionInPath,
    key: NewKeyInPath,
    request: Request,
    response: Response,
) -> WrittenImage:
    """Durable and searchable when it is answered. An image that a source has becomes the API's."""
    writer = state["writer"]
    owner = await writer.collection(collection)
    async with writer.intake.reader.room_for(request):
        upload = await read_upload(request)
        new = await writer.intake.put(owner, key, upload)
    applied = await _applied(writer, owner, new)
    response.status_code = status_of(applied)
    return _written(collection, applied)


@router.patch("/{key:path}", openapi_extra=PATCH_BODY, summary="Change an image's attributes")
@needs(Scope.WRITE)
@refuses("unknown_collection", "not_found", "unsupported_media_type", "not_ready")
async def patch(
    state: AppState, collection: CollectionInPath, key: KeyInPath, request: Request
) -> WrittenImage:
    """Attributes alone: nothing is encoded. null takes a value away."""
    writer = state["writer"]
    owner = await writer.collection(collection)
    applied = await _applied(writer, owner, await read_patch(request, key))
    return _written(collection, applied)


@router.delete("/{key:path}", status_code=HTTPStatus.NO_CONTENT, summary="Delete an image")
@needs(Scope.WRITE)
@refuses("unknown_collection", "not_found", "not_ready")
async def delete(state: AppState, collection: CollectionInPath, key: KeyInPath) -> None:
    """For good: no source brings the image back, only a PUT does. It may be asked for again."""
    writer = state["writer"]
    await _applied(writer, await writer.collection(collection), Delete(key))


@router.post(
    ":batch",
    response_class=StreamingResponse,
    summary="Write many images",
    openapi_extra=BATCH_BODY,
    responses=BATCH_ANSWER,
)
@needs(Scope.WRITE)
@refuses("unknown_collection", "too_many_lines", "unsupported_media_type", "overloaded")
async def batch(state: AppState, collection: CollectionInPath, request: Request) -> Response:
    """A line of JSON for each write (NDJSON), answered by a line each, in their order.

    A line that fails does so alone. What ends the batch early is its last line.
    """
    if media_type(request) not in BATCH_TYPES:
        raise UnsupportedMedia(f"send {BATCH_TYPE}")
    writer = state["writer"]
    owner = await writer.collection(collection)
    if writer.batches.locked():
        raise AtCapacity("as many batches are under way as there may be")
    return BatchResponse(Batch(writer, owner, request))


async def _applied(writer: ImageWriter, owner: Collection, write: Write) -> Applied:
    """Raises NotFound, InvalidRequest."""
    (outcome,) = await writer.commit(owner, [write])
    if isinstance(outcome, Rejected):
        raise InvalidRequest(f"attributes: {outcome.detail}")
    if outcome.status is Status.MISSING:
        raise _not_found(owner.name)
    return outcome


def _written(collection: str, applied: Applied) -> WrittenImage:
    assert applied.image is not None  # noqa: S101 - only of what is gone there is none
    return WrittenImage(**view_of(collection, applied.image), status=applied.status)


def _find(state: State, collection: str, key: str) -> tuple[Collection, Image, Source]:
    with state["database"].read() as session:
        owner = repository.collection(session, collection)
        image = repository.image(session, owner.id, key)
        if image is None:
            raise _not_found(collection)
        return owner, image, session.get_one(Source, image.source_id)


def _not_found(collection: str) -> NotFound:
    return NotFound(f"collection {collection!r} has no image of that id")
