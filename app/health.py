"""Is the process alive, can it serve, how is it doing: for balancers and Prometheus."""

from http import HTTPStatus

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, needs
from app.errors import NotReady
from app.state import AppState
from indexer.catalog.db import require_current

router = APIRouter(tags=["health"], route_class=GuardedRoute)


@router.get("/healthz")
@needs(Scope.OPEN)
async def alive(state: AppState) -> dict[str, str]:
    """503 where only a restart helps."""
    if lost := state["embedders"].lost:
        raise NotReady(f"the encoder's device is lost: {lost}")
    return {"status": "ok"}


@router.get("/readyz")
@needs(Scope.OPEN)
def ready(state: AppState) -> JSONResponse:
    """200 when the database answers and the encoder answers, and every
    indexed collection can be searched.
    """
    require_current(state["database"])
    if lost := state["embedders"].lost:
        raise NotReady(f"the encoder's device is lost: {lost}")
    if away := state["embedders"].away:
        raise NotReady(away)
    problems = state["serving"].problems
    if problems:
        raise NotReady("; ".join(f"{name}: {why}" for name, why in sorted(problems.items())))
    return JSONResponse({"status": "ready"}, HTTPStatus.OK)


@router.get("/metrics")
@needs(Scope.READ)
def metrics(state: AppState) -> Response:
    return Response(generate_latest(state["metrics"].registry), media_type=CONTENT_TYPE_LATEST)
