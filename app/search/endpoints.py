"""Search by text and by image."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.search import service
from app.search.schemas import (
    MAX_HITS,
    ImageReference,
    Include,
    QueryText,
    SearchRequest,
    SearchResponse,
)
from app.state import AppState
from app.text import StorableText

router = APIRouter(prefix="/v1/collections/{collection}", tags=["search"])

K = Annotated[int, Query(ge=1, le=MAX_HITS)]


@router.get("/search")
async def search_simple(
    state: AppState,
    collection: StorableText,
    q: Annotated[QueryText, Query(description="Korean or English text")],
    k: K = 20,
    recall: Annotated[float | None, Query(gt=0, le=1)] = None,
    min_relevance: Annotated[float, Query(ge=0, le=1)] = 0.0,
    include: Annotated[list[Include] | None, Query()] = None,
) -> SearchResponse:
    """The simple form of POST."""
    request = SearchRequest(
        text=q, k=k, recall=recall, min_relevance=min_relevance, include=include or []
    )
    return await service.search(state, collection, request)


@router.post("/search")
async def search(
    state: AppState, collection: StorableText, request: SearchRequest
) -> SearchResponse:
    return await service.search(state, collection, request)


@router.get("/images/{key:path}/similar")
async def similar(
    state: AppState, collection: StorableText, key: StorableText, k: K = 20
) -> SearchResponse:
    """The images most like this one, itself left out."""
    request = SearchRequest(image=ImageReference(id=key), k=k)
    return await service.search(state, collection, request)
