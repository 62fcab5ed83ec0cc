"""Search by text and by image."""

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Response
from pydantic import TypeAdapter

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, needs
from app.images.keys import KeyInPath
from app.problem_codes import ENCODER_CODES
from app.refusals import refuses
from app.search import service
from app.search.forms import FORM_BODY
from app.search.response import SearchResponse
from app.search.route import SearchRoute, client_of
from app.search.schemas import ImageReference, Paging, SearchRequest
from app.search.simple import SimpleSearch
from app.state import AppState
from app.text import CollectionInPath

router = APIRouter(prefix="/v1/collections/{collection}", tags=["search"], route_class=GuardedRoute)

to_json = TypeAdapter(SearchResponse).dump_json

_CODES = (
    "unknown_collection",
    "not_found",
    "cursor_expired",
    "invalid_input",
    "image_rejected",
    "index_away",
    *ENCODER_CODES,
)


Client = Annotated[str, Depends(client_of)]


@needs(Scope.READ)
@refuses(*_CODES)
async def search(
    state: AppState, collection: CollectionInPath, request: SearchRequest, client: Client
) -> Response:
    """By text, by image, or by several of both, with filters, facets, sorting and pages."""
    return _answer(await service.search(state, collection, request, client))


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
        summary="Search",
        openapi_extra=FORM_BODY,
        route_class_override=SearchRoute,
    )
    app.router.routes.insert(0, app.router.routes.pop())


@router.get("/search", response_model=SearchResponse, summary="Search by an address")
@needs(Scope.READ)
@refuses(*_CODES)
async def search_simple(
    state: AppState,
    collection: CollectionInPath,
    asked: Annotated[SimpleSearch, Query()],
    client: Client,
) -> Response:
    """The simple form of POST: by a text, with what fits into an address."""
    return await search(state, collection, asked.request(), client)


@router.get(
    "/images/{key:path}/similar", response_model=SearchResponse, summary="Find images like this one"
)
@needs(Scope.READ)
@refuses(*_CODES)
async def similar(
    state: AppState,
    collection: CollectionInPath,
    key: KeyInPath,
    asked: Annotated[Paging, Query()],
) -> Response:
    """The images most like this one, itself left out. POST asks for these with a filter as well."""
    request = SearchRequest(image=ImageReference(id=key), k=asked.k, cursor=asked.cursor)
    return _answer(await service.search(state, collection, request))


def _answer(response: SearchResponse) -> Response:
    """As the declared model says, without validating what was made here: FastAPI would."""
    return Response(to_json(response), media_type="application/json")
