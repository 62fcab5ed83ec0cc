"""An image's record and its thumbnails."""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import FileResponse
from pydantic import BeforeValidator

from app.errors import NotFound
from app.images.schemas import ImageView
from app.images.thumbnails import MEDIA_TYPE
from app.search.rows import thumbnail_path
from app.state import AppState, State
from app.text import StorableText
from indexer.catalog import repository
from indexer.catalog.tables import Image, Source

router = APIRouter(prefix="/v1/collections/{collection}/images", tags=["images"])


def _number(text: str) -> int | str:
    """Literal does not take "320" for 320."""
    return int(text) if text.isdecimal() else text


Size = Annotated[
    Literal[320, 1280], BeforeValidator(_number), Query(description="Longest side in pixels")
]


@router.get("/{key:path}/thumbnail", response_class=FileResponse)
def thumbnail(
    state: AppState,
    collection: StorableText,
    key: StorableText,
    size: Size = 320,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """WebP, upright, without metadata.

    It shadows the record of an image whose own id ends in `/thumbnail`, as `similar` does.
    """
    image, source = _find(state, collection, key)
    headers = {
        "ETag": f'"{image.content_hash[:32]}-{size}"',
        # The same id may get another picture: clients ask again, and mostly hear 304.
        "Cache-Control": "private, max-age=60, must-revalidate",
        "X-Content-Type-Options": "nosniff",
    }
    known = if_none_match or ""
    if headers["ETag"] in known or known == "*":
        return Response(status_code=304, headers=headers)
    path = state["thumbnails"].path_of(image, source, size)
    return FileResponse(path, media_type=MEDIA_TYPE, headers=headers)


@router.get("/{key:path}")
def show(state: AppState, collection: StorableText, key: StorableText) -> ImageView:
    image, _ = _find(state, collection, key)
    return ImageView(
        id=image.key,
        uri=image.uri,
        thumbnail=thumbnail_path(collection, key),
        format=image.format,
        width=image.width,
        height=image.height,
        file_size=image.file_size,
        attributes=image.attributes,
        created_at=image.created_at,
        updated_at=image.updated_at,
    )


def _find(state: State, collection: str, key: str) -> tuple[Image, Source]:
    with state["database"].read() as session:
        owner = repository.collection(session, collection)
        image = repository.image(session, owner.id, key)
        if image is None:
            raise NotFound(f"collection {collection!r} has no image of that id")
        return image, session.get_one(Source, image.source_id)
