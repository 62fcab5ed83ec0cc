"""Is the process alive, can it serve, how is it doing: for balancers and Prometheus."""

from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, needs
from app.errors import NotReady
from app.refusals import refuses
from app.state import AppState
from indexer.catalog.db import require_current

router = APIRouter(tags=["health"], route_class=GuardedRoute)


class Health(BaseModel):
    model_config = ConfigDict(
        use_attribute_docstrings=True, json_schema_extra={"examples": [{"status": "ok"}]}
    )

    status: Literal["ok", "ready"]
    """`ok` of a process that is alive, `ready` of one that can serve."""


@router.get("/healthz", summary="Is the process alive?")
@needs(Scope.OPEN)
@refuses("not_ready")
async def alive(state: AppState) -> Health:
    """503 where only a restart helps."""
    if lost := state["embedders"].lost:
        raise NotReady(f"the encoder's device is lost: {lost}")
    return Health(status="ok")


@router.get("/readyz", summary="Can it serve?")
@needs(Scope.OPEN)
@refuses("not_ready")
def ready(state: AppState) -> Health:
    """200 when the database answers and the encoder answers, and every
    indexed collection can be searched.

    503 from the signal to stop on, while requests are still answered.
    """
    if state["drain"].has_begun:
        raise NotReady("the server is stopping")
    require_current(state["database"])
    if lost := state["embedders"].lost:
        raise NotReady(f"the encoder's device is lost: {lost}")
    if away := state["embedders"].away:
        raise NotReady(away)
    problems = state["serving"].problems
    if problems:
        raise NotReady("; ".join(f"{name}: {why}" for name, why in sorted(problems.items())))
    return Health(status="ready")


@router.get("/metrics", summary="How is it doing?", response_class=PlainTextResponse)
@needs(Scope.READ)
def metrics(state: AppState) -> Response:
    """In the text format of Prometheus."""
    return Response(generate_latest(state["metrics"].registry), media_type=CONTENT_TYPE_LATEST)
