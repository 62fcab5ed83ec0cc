"""The tables. `alembic check` holds them and migrations/ together.

A collection has images and a chain of index versions, one of them active. An image's
embedding lives in a row of a shard; several images with the same content share it.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

MAX_NAME = 64
MAX_KEY = 1024
"""Bytes of UTF-8: PostgreSQL indexes nothing longer than 2,704."""

# SQLite grows AUTOINCREMENT keys only in a column that is declared INTEGER.
Key64 = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime on every database; SQLite alone would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


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


def _now() -> datetime:
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
    """Grows with every change of the collection's images."""
    active_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("index_versions.id", use_alter=True, ondelete="SET NULL")
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_now)

    active_version: Mapped["IndexVersion | None"] = relationship(
        foreign_keys=[active_version_id], post_update=True
    )


class Source(Base):
    """Where images came from. A run removes what its source lost."""

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
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_now)


class Image(Base):
    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("collection_id", "key"),
        Index("ix_images_collection_id_content_hash", "collection_id", "content_hash"),
        Index("ix_images_shard_id", "shard_id"),
        Index("ix_images_source_id", "source_id"),
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
    shard_id: Mapped[int] = mapped_column(ForeignKey("shards.id"))
    shard_row: Mapped[int]
    change_number: Mapped[int] = mapped_column(BigInteger)
    """The collection's change number when this row last changed."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_now, onupdate=_now)


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
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_now)
