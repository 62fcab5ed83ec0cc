"""The tables. `alembic check` holds them and migrations/ together.

A collection has images and a chain of index versions, one of them active. What an encoder makes
of a picture's content is an embedding; images with the same content share it. What people and jobs
need besides is in app/auth/tables.py and app/jobs/tables.py.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

API_SOURCE = "api:"
"""The URI of the source of images that came through the API."""

MAX_NAME = 64
MAX_KEY = 1024
"""Bytes of UTF-8: PostgreSQL indexes nothing longer than 2,704."""

# SQLite grows AUTOINCREMENT keys only in a column that is declared INTEGER.
Key64 = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime: SQLite forgets the zone, PostgreSQL tells that of its session."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def now() -> datetime:
    return datetime.now(UTC)


class Collection(Base):
    __tablename__ = "collections"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(Key64, primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME), unique=True)
    folder: Mapped[str] = mapped_column(String(MAX_NAME + 16), unique=True)
    """Its files are in `collections/<folder>`. Never the id, nor the name: another database over
    the same data folder would give those out again, and sweep files that are not its own.
    """
    model: Mapped[str] = mapped_column(String(255))
    encoder_fingerprint: Mapped[str] = mapped_column(String(64))
    dim: Mapped[int]
    recall: Mapped[float]
    """The recall@10 that searches aim at where a request does not say."""
    index_family: Mapped[str] = mapped_column(String(32), default="auto", server_default="auto")
    """Of its next versions, as in indexer.building.index_spec."""
    change_number: Mapped[int] = mapped_column(BigInteger, default=0)
    """Grows with every change of the collection's images. Who makes one locks this row until it is
    committed, so that numbers become visible in their order.
    """
    active_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("index_versions.id", use_alter=True, ondelete="SET NULL")
    )
    next_version_id: Mapped[int | None] = mapped_column(Key64)
    """The version that servers open while the active one still answers. No foreign key: it may be
    gone, and means nothing then.
    """
    lease_owner: Mapped[str | None] = mapped_column(String(255))
    """Who may write the collection's files, see indexer/lease.py."""
    lease_token: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """The fencing number: grows with every owner."""
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    active_version: Mapped["IndexVersion | None"] = relationship(
        foreign_keys=[active_version_id], post_update=True
    )


class Source(Base):
    """Where images came from. A run removes what its source lost; what came through the API has
    the source API_SOURCE, which nothing scans.
    """

    __tablename__ = "sources"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(Key64, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    uri: Mapped[str] = mapped_column(Text)


class Shard(Base):
    """A file of embeddings of one encoder; `path` is relative to the collection's folder."""

    __tablename__ = "shards"
    __table_args__ = (
        UniqueConstraint("collection_id", "path"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Key64, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(255))
    encoder_fingerprint: Mapped[str] = mapped_column(String(64))
    rows: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Image(Base):
    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("collection_id", "key"),
        Index("ix_images_collection_id_content_hash", "collection_id", "content_hash"),
        Index("ix_images_source_id", "source_id"),
        Index("ix_images_collection_id_change_number", "collection_id", "change_number"),
        # A deleted image's id must never come back: an older index version still holds it.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Key64, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(MAX_KEY))
    """The id that the API shows: for a folder, the path inside it."""
    source_id: Mapped[int] = mapped_column(ForeignKey("sources.id", ondelete="CASCADE"))
    uri: Mapped[str] = mapped_column(Text)
    stamp: Mapped[str | None] = mapped_column(String(255))
    """What the source said last that changes with the picture; None: only reading tells."""
    file_size: Mapped[int] = mapped_column(BigInteger)
    content_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the file, in hex."""
    format: Mapped[str] = mapped_column(String(16))
    width: Mapped[int]
    height: Mapped[int]
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    attributes_given: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the attributes as the source gave them last: what was patched since stays until
    the source says something else.
    """
    change_number: Mapped[int] = mapped_column(BigInteger)
    """The collection's change number when this row last changed."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)


class Embedding(Base):
    """What one encoder makes of one content: a row of a shard, or the vector itself until the next
    index is built.
    """

    __tablename__ = "embeddings"
    __table_args__ = (
        CheckConstraint("(shard_id IS NULL) = (vector IS NOT NULL)", name="one_place"),
        Index("ix_embeddings_shard_id", "shard_id"),
    )

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    content_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    encoder_fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    shard_id: Mapped[int | None] = mapped_column(ForeignKey("shards.id"))
    shard_row: Mapped[int | None]
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Little-endian float16, (dim,)."""


class Tombstone(Base):
    """An image that was deleted."""

    __tablename__ = "tombstones"
    __table_args__ = (
        Index("ix_tombstones_collection_id_change_number", "collection_id", "change_number"),
        Index("ix_tombstones_collection_id_key", "collection_id", "key"),
    )

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    image_id: Mapped[int] = mapped_column(Key64, primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(MAX_KEY))
    change_number: Mapped[int] = mapped_column(BigInteger)
    """The collection's change number when the image was deleted."""
    is_final: Mapped[bool]
    """It was deleted through the API: no source brings it back. Otherwise its source lost it."""


class Server(Base):
    """A running process that serves collections, as long as it says that it is there."""

    __tablename__ = "servers"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class OpenedVersion(Base):
    """A version that a server has open: its files stay."""

    __tablename__ = "opened_versions"

    server_id: Mapped[str] = mapped_column(
        ForeignKey("servers.id", ondelete="CASCADE"), primary_key=True
    )
    version_id: Mapped[int] = mapped_column(
        ForeignKey("index_versions.id", ondelete="CASCADE"), primary_key=True
    )
    problem: Mapped[str | None] = mapped_column(Text)
    """Why it could not be opened; None where it is open."""


class IndexVersion(Base):
    """A published version; its folder is `versions/<name>` of the collection."""

    __tablename__ = "index_versions"
    __table_args__ = (
        UniqueConstraint("collection_id", "name"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Key64, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(255))
    encoder_fingerprint: Mapped[str] = mapped_column(String(64))
    factory: Mapped[str] = mapped_column(String(128))
    """The FAISS factory string, as in faiss.index_factory."""
    count: Mapped[int]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    change_number: Mapped[int] = mapped_column(BigInteger)
    """The collection's change number that the version was made from."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
