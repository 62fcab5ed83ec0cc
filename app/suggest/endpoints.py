"""Suggestions while a query is being typed."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, needs
from app.refusals import refuses
from app.state import AppState
from app.suggest.schemas import SuggestResponse
from app.text import CollectionInPath, EncodableText

router = APIRouter(prefix="/v1/collections/{collection}", tags=["search"], route_class=GuardedRoute)

MAX_PREFIX = 100
MAX_SUGGESTIONS = 50


@router.get("/suggest", summary="Suggest queries")
@needs(Scope.READ)
@refuses("unknown_collection")
async def suggest(
    state: AppState,
    collection: CollectionInPath,
    prefix: Annotated[
        EncodableText,
        Query(
            max_length=MAX_PREFIX,
            description="Korean or English, also 초성; empty: the most used of all",
            examples=["운동", "ㅇㄷㅎ"],
        ),
    ] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_SUGGESTIONS, description="So many at most")] = 10,
) -> SuggestResponse:
    """How what is being typed may go on: the most used terms of which a word begins so."""
    serving = state["serving"]
    if serving.get(collection) is None:
        await run_in_threadpool(serving.look_up, collection)
    return SuggestResponse(suggestions=state["suggestions"].suggest(collection, prefix, limit))
