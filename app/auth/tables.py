"""The table of keys."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from indexer.catalog.tables import Base, UtcDateTime, now


class ApiKey(Base):
    """A key, never the secret itself: what is stored cannot be used."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    """Public: the part of the key by which it is found."""
    name: Mapped[str] = mapped_column(String(64))
    """Of whoever uses it. While it is exchanged for a new one, two keys bear one name."""
    scope: Mapped[str] = mapped_column(String(8))
    secret_sha256: Mapped[str] = mapped_column(String(64))
    requests_per_minute: Mapped[int | None]
    """None: as the settings say; 0: unlimited."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
