"""Create, list, show and delete collections."""

from http import HTTPStatus

from fastapi import APIRouter

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, needs
from app.collections import service
from app.collections.schemas import CollectionView, NewCollection, ServedCollection
from app.problem_codes import ENCODER_CODES
from app.refusals import refuses
from app.state import AppState, State
from app.text import CollectionInPath
from models.regions.schemes import changed

router = APIRouter(prefix="/v1/collections", tags=["collections"], route_class=GuardedRoute)


@router.post("", status_code=HTTPStatus.CREATED, summary="Create a collection")
@needs(Scope.ADMIN)
@refuses("collection_exists", "unknown_model", *ENCODER_CODES)
def create(state: AppState, new: NewCollection) -> ServedCollection:
    """Without images: they come by PUT, by a batch, or by a job that reads a source."""
    settings = state["settings"]
    model = changed(settings.model, new.model, new.regions)
    spec = state["embedders"].of_pictures(model).spec
    return _served(state, service.create(state["database"], new, spec, settings.recall))


@router.get("", summary="List collections")
@needs(Scope.READ)
def list_all(state: AppState) -> list[ServedCollection]:
    """All of them, by name."""
    return [_served(state, view) for view in service.list_all(state["database"])]


@router.get("/{collection}", summary="Show a collection")
@needs(Scope.READ)
@refuses("unknown_collection")
def show(state: AppState, collection: CollectionInPath) -> ServedCollection:
    """What it holds, and what it is served by."""
    return _served(state, service.show(state["database"], collection))


@router.delete("/{collection}", status_code=HTTPStatus.NO_CONTENT, summary="Delete a collection")
@needs(Scope.ADMIN)
@refuses("unknown_collection", "collection_busy", "lease_lost")
def delete(state: AppState, collection: CollectionInPath) -> None:
    """With its images, versions and files. It cannot be undone."""
    settings = state["settings"]
    service.delete(
        state["database"],
        settings.data_dir,
        collection,
        settings.lease_seconds,
        settings.milvus_options(),
    )
    state["serving"].look()


def _served(state: State, view: CollectionView) -> ServedCollection:
    snapshot = state["serving"].get(view.name)
    if snapshot is not None:
        return ServedCollection(
            **view.model_dump(), fields=dict(snapshot.segments.attributes.fields)
        )
    return ServedCollection(**view.model_dump(), fields=None if view.images else {})
