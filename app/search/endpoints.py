"""Search by text and by image."""

from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Response
from pydantic import TypeAdapter

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, needs
from app.images.keys import Key
from app.search import service
from app.search.route import SearchRoute
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

router = APIRouter(prefix="/v1/collections/{collection}", tags=["search"], route_class=GuardedRoute)

to_json = TypeAdapter(SearchResponse).dump_json

K = Annotated[int, Query(ge=1, le=MAX_HITS)]


@needs(Scope.READ)
async def search(state: AppState, collection: StorableText, request: SearchRequest) -> Response:
    return _answer(await service.search(state, collection, request))


def mount_search(app: FastAPI) -> None:
    """Its POST, on the application itself and before all else: in an included router, which is
    matched twice, it took some 50 µs longer.
    """
    app.router.add_api_route(
        f"{router.prefix}/search",
        search,
        methods=["POST"],
        response_model=SearchResponse,
        tags=["search"],
        route_class_override=SearchRoute,
    )
    app.router.routes.insert(0, app.router.routes.pop())


@router.get("/search", response_model=SearchResponse)
@needs(Scope.READ)
async def search_simple(
    state: AppState,
    collection: StorableText,
    q: Annotated[QueryText, Query(description="Korean or English text")],
    k: K = 20,
    recall: Annotated[float | None, Query(gt=0, le=1)] = None,
    min_relevance: Annotated[float, Query(ge=0, le=1)] = 0.0,
    include: Annotated[list[Include] | None, Query()] = None,
) -> Response:
    """The simple form of POST."""
    request = SearchRequest(
        text=q, k=k, recall=recall, min_relevance=min_relevance, include=include or []
    )
    return await search(state, collection, request)


@router.get("/images/{key:path}/similar", response_model=SearchResponse)
@needs(Scope.READ)
async def similar(state: AppState, collection: StorableText, key: Key, k: K = 20) -> Response:
    """The images most like this one, itself left out."""
    request = SearchRequest(image=ImageReference(id=key), k=k)
    return await search(state, collection, request)


def _answer(response: SearchResponse) -> Response:
    """As the declared model says, without validating what was made here: FastAPI would."""
    return Response(to_json(response), media_type="application/json")
