"""Keys: make, list, revoke, rotate."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path

from app.auth import service
from app.auth.route import GuardedRoute
from app.auth.schemas import CreatedKey, KeyView, NewKey, RotatedKey, Rotation
from app.auth.scopes import Scope, needs
from app.refusals import refuses
from app.state import AppState
from app.text import StorableText

router = APIRouter(prefix="/v1/admin/keys", tags=["keys"], route_class=GuardedRoute)

KeyInPath = Annotated[StorableText, Path(description="Id of the key", examples=["3f9A1c0B7e2D"])]


@router.post("", status_code=HTTPStatus.CREATED, summary="Create a key")
@needs(Scope.ADMIN)
def create(state: AppState, new: NewKey) -> CreatedKey:
    """The answer holds the key, which is not shown again."""
    return service.create(state["database"], new)


@router.get("", summary="List keys")
@needs(Scope.ADMIN)
def list_all(state: AppState) -> list[KeyView]:
    """All that were not revoked, without the keys themselves."""
    return service.list_all(state["database"])


@router.delete("/{key_id}", status_code=HTTPStatus.NO_CONTENT, summary="Revoke a key")
@needs(Scope.ADMIN)
@refuses("not_found")
def revoke(state: AppState, key_id: KeyInPath) -> None:
    """It stops working here at once, in other processes at their next look."""
    service.revoke(state["database"], key_id)
    if guard := state["guard"]:
        guard.keyring.read()


@router.post("/{key_id}/rotate", status_code=HTTPStatus.CREATED, summary="Rotate a key")
@needs(Scope.ADMIN)
@refuses("not_found")
def rotate(state: AppState, key_id: KeyInPath, rotation: Rotation | None = None) -> RotatedKey:
    """A new key of the same name and scope; both work until the old one's grace is over."""
    grace = timedelta(hours=(rotation or Rotation()).grace_hours)
    return service.rotate(state["database"], key_id, grace)
