"""Keys as administrators see them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from app.text import StorableText
from indexer.catalog.tables import now

MAX_REQUESTS_PER_MINUTE = 1_000_000
MAX_LIFETIME = timedelta(days=36_500)
GRACE_HOURS = 24
MAX_GRACE_HOURS = 24 * 365

ScopeName = Literal["read", "write", "admin"]


def _in_future(moment: datetime) -> datetime:
    """In UTC, as it is stored: SQLite forgets zones."""
    today = now()
    if not today < moment < today + MAX_LIFETIME:
        raise ValueError(f"does not lie within the next {MAX_LIFETIME.days} days")
    return moment.astimezone(UTC)


class NewKey(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[StorableText, AfterValidator(str.strip), Field(min_length=1, max_length=64)]
    scope: ScopeName
    expires_at: Annotated[AwareDatetime, AfterValidator(_in_future)] | None = None
    requests_per_minute: int | None = Field(None, ge=0, le=MAX_REQUESTS_PER_MINUTE)
    """None: as the settings say; 0: any."""


class Rotation(BaseModel):
    model_config = ConfigDict(extra="forbid")

    grace_hours: float = Field(GRACE_HOURS, ge=0, le=MAX_GRACE_HOURS)
    """How long the old key goes on working beside the new one."""


class KeyView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    scope: str
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None


class CreatedKey(KeyView):
    key: str = Field(repr=False)
    """The key itself: shown here and never again."""


class RotatedKey(CreatedKey):
    replaces: KeyView
    """The old key, with the end that was put to it."""
