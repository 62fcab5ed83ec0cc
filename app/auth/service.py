"""What can be done with keys, for the API and the command line alike."""

import logging
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.auth.schemas import CreatedKey, KeyView, NewKey, RotatedKey
from app.auth.tables import ApiKey
from app.auth.token import Token, new_token
from app.errors import InvalidRequest, NotFound
from indexer.catalog.db import Database
from indexer.catalog.tables import now

logger = logging.getLogger(__name__)


def create(database: Database, new: NewKey) -> CreatedKey:
    token = new_token()
    key = ApiKey(
        id=token.id,
        name=new.name,
        scope=new.scope,
        secret_sha256=token.digest.hex(),
        requests_per_minute=new.requests_per_minute,
        created_at=now(),
        expires_at=new.expires_at,
    )
    with database.write() as session:
        session.add(key)
    logger.info("key %s (%r, scope %s) was created", key.id, key.name, key.scope)
    return CreatedKey(**_view(key).model_dump(), key=str(token))


def list_all(database: Database) -> list[KeyView]:
    """Oldest first. Expired ones are among them until they are revoked."""
    with database.read() as session:
        keys = session.scalars(select(ApiKey).order_by(ApiKey.created_at, ApiKey.id))
        return [_view(key) for key in keys]


def revoke(database: Database, key_id: str) -> None:
    """Raises NotFound."""
    with database.write() as session:
        session.delete(_key(session, key_id))
    logger.info("key %s was revoked", key_id)


def rotate(database: Database, key_id: str, grace: timedelta) -> RotatedKey:
    """A second key of the same name and scope; the old one ends after `grace`, or as it was to.

    The new one lives for as long as the old one was meant to. Raises NotFound, InvalidRequest.
    """
    token, moment = new_token(), now()
    with database.write() as session:
        old = _key(session, key_id)
        if old.expires_at and old.expires_at <= moment:
            raise InvalidRequest(f"key {key_id} has expired: create another")
        new = _successor(old, token, moment)
        session.add(new)
        old.expires_at = min(old.expires_at or moment + grace, moment + grace)
    logger.info("key %s was rotated: %s takes its place", old.id, new.id)
    return RotatedKey(**_view(new).model_dump(), key=str(token), replaces=_view(old))


def has_working_key(database: Database) -> bool:
    """Whether anybody could be let in."""
    unexpired = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now())
    with database.read() as session:
        return session.scalar(select(ApiKey.id).where(unexpired).limit(1)) is not None


def _key(session: Session, key_id: str) -> ApiKey:
    key = session.get(ApiKey, key_id, with_for_update=True)
    if key is None:
        raise NotFound("there is no key of that id")
    return key


def _successor(old: ApiKey, token: Token, moment: datetime) -> ApiKey:
    return ApiKey(
        id=token.id,
        name=old.name,
        scope=old.scope,
        secret_sha256=token.digest.hex(),
        requests_per_minute=old.requests_per_minute,
        created_at=moment,
        expires_at=old.expires_at and moment + (old.expires_at - old.created_at),
    )


def _view(key: ApiKey) -> KeyView:
    return KeyView.model_validate(key)
