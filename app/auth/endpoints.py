"""Keys: make, list, revoke, rotate."""

from datetime import timedelta
from http import HTTPStatus

from fastapi import APIRouter

from app.auth import service
from app.auth.route import GuardedRoute
from app.auth.schemas import CreatedKey, KeyView, NewKey, RotatedKey, Rotation
from app.auth.scopes import Scope, needs
from app.state import AppState
from app.text import StorableText

router = APIRouter(prefix="/v1/admin/keys", tags=["keys"], route_class=GuardedRoute)


@router.post("", status_code=HTTPStatus.CREATED)
@needs(Scope.ADMIN)
def create(state: AppState, new: NewKey) -> CreatedKey:
    """The answer holds the key, which is not shown again."""
    return service.create(state["database"], new)


@router.get("")
@needs(Scope.ADMIN)
def list_all(state: AppState) -> list[KeyView]:
    return service.list_all(state["database"])


@router.delete("/{key_id}", status_code=HTTPStatus.NO_CONTENT)
@needs(Scope.ADMIN)
def revoke(state: AppState, key_id: StorableText) -> None:
    """It stops working here at once, in other processes at their next look."""
    service.revoke(state["database"], key_id)
    if guard := state["guard"]:
        guard.keyring.read()


@router.post("/{key_id}/rotate", status_code=HTTPStatus.CREATED)
@needs(Scope.ADMIN)
def rotate(state: AppState, key_id: StorableText, rotation: Rotation | None = None) -> RotatedKey:
    """A new key of the same name and scope; both work until the old one's grace is over."""
    grace = timedelta(hours=(rotation or Rotation()).grace_hours)
    return service.rotate(state["database"], key_id, grace)
