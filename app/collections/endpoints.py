"""Create, list, show and delete collections."""

from http import HTTPStatus

from fastapi import APIRouter

from app.auth.route import GuardedRoute
from app.auth.scopes import Scope, needs
from app.collections import service
from app.collections.schemas import CollectionView, NewCollection
from app.state import AppState
from app.text import StorableText

router = APIRouter(prefix="/v1/collections", tags=["collections"], route_class=GuardedRoute)


@router.post("", status_code=HTTPStatus.CREATED)
@needs(Scope.ADMIN)
def create(state: AppState, new: NewCollection) -> CollectionView:
    settings = state["settings"]
    spec = state["embedders"].of(new.model or settings.model).spec
    return service.create(state["database"], new, spec, settings.recall)


@router.get("")
@needs(Scope.READ)
def list_all(state: AppState) -> list[CollectionView]:
    return service.list_all(state["database"])


@router.get("/{collection}")
@needs(Scope.READ)
def show(state: AppState, collection: StorableText) -> CollectionView:
    return service.show(state["database"], collection)


@router.delete("/{collection}", status_code=HTTPStatus.NO_CONTENT)
@needs(Scope.ADMIN)
def delete(state: AppState, collection: StorableText) -> None:
    settings = state["settings"]
    service.delete(state["database"], settings.data_dir, collection, settings.lease_seconds)
    state["serving"].look()
