"""Create, list, show and delete collections."""

from http import HTTPStatus

from fastapi import APIRouter

from app.collections import service
from app.collections.schemas import CollectionView, NewCollection
from app.state import AppState
from app.text import StorableText

router = APIRouter(prefix="/v1/collections", tags=["collections"])


@router.post("", status_code=HTTPStatus.CREATED)
def create(state: AppState, new: NewCollection) -> CollectionView:
    settings = state["settings"]
    spec = state["embedders"].of(new.model or settings.model).spec
    return service.create(state["database"], new, spec, settings.recall)


@router.get("")
def list_all(state: AppState) -> list[CollectionView]:
    return service.list_all(state["database"])


@router.get("/{collection}")
def show(state: AppState, collection: StorableText) -> CollectionView:
    return service.show(state["database"], collection)


@router.delete("/{collection}", status_code=HTTPStatus.NO_CONTENT)
def delete(state: AppState, collection: StorableText) -> None:
    service.delete(state["database"], state["settings"].data_dir, collection)
    state["serving"].refresh()
