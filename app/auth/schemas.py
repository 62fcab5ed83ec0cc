"""Keys as administrators see them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.text import StorableText
from indexer.catalog.tables import now

MAX_REQUESTS_PER_MINUTE = 1_000_000
MAX_LIFETIME = timedelta(days=36_500)
GRACE_HOURS = 24
MAX_GRACE_HOURS = 24 * 365

ScopeName = Literal["read", "write", "admin"]


def _stripped(name: str) -> str:
    if not name.strip():
        raise ValueError("is blank")
    return name.strip()


def _in_future(moment: datetime) -> datetime:
    """In UTC, as it is stored: SQLite forgets zones."""
    today = now()
    if not today < moment < today + MAX_LIFETIME:
        raise ValueError(f"does not lie within the next {MAX_LIFETIME.days} days")
    return moment.astimezone(UTC)


_SHOWN: JsonDict = {
    "id": "3f9A1c0B7e2D",
    "name": "쇼핑몰 앱",
    "scope": "read",
    "requests_per_minute": 600,
    "created_at": "2026-11-21T09:50:00Z",
    "expires_at": "2027-11-21T09:50:00Z",
}
_KEY: JsonDict = {"key": f"ng_{_SHOWN['id']}_{'x' * 43}"}


class NewKey(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"name": "쇼핑몰 앱", "scope": "read", "requests_per_minute": 600}]
        },
    )

    name: Annotated[StorableText, Field(min_length=1, max_length=64), AfterValidator(_stripped)]
    """Of whoever is to use it."""
    scope: ScopeName
    """Each may do what those before it may."""
    expires_at: Annotated[AwareDatetime, Field(strict=False), AfterValidator(_in_future)] | None = (
        None
    )
    """When it ends, with its zone; null: never."""
    requests_per_minute: int | None = Field(None, ge=0, le=MAX_REQUESTS_PER_MINUTE)
    """null: as the settings say; 0: any."""


class Rotation(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"grace_hours": 2}]},
    )

    grace_hours: float = Field(GRACE_HOURS, ge=0, le=MAX_GRACE_HOURS)
    """How long the old key goes on working beside the new one."""


class KeyView(BaseModel):
    model_config = ConfigDict(
        from_attributes=True,
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [_SHOWN]},
    )

    id: str
    """By which it is listed and revoked; no secret."""
    name: str
    """Of whoever uses it."""
    scope: ScopeName
    """What it may do."""
    requests_per_minute: int | None
    """null: as the settings say; 0: any."""
    created_at: datetime
    """When it was made, in UTC."""
    expires_at: datetime | None
    """When it ends, in UTC; null: never."""


class CreatedKey(KeyView):
    model_config = ConfigDict(json_schema_extra={"examples": [_SHOWN | _KEY]})

    key: str = Field(repr=False)
    """The key itself: shown here and never again."""


class RotatedKey(CreatedKey):
    model_config = ConfigDict(
        json_schema_extra={"examples": [_SHOWN | _KEY | {"replaces": _SHOWN}]}
    )

    replaces: KeyView
    """The old key, with the end that was put to it."""
