"""Embeddings by content and encoder, tombstones, leases, servers, jobs, keys.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# SQLite grows AUTOINCREMENT keys only in a column that is declared INTEGER.
Key64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UNFINISHED = sa.text("state IN ('queued', 'running')")


def upgrade() -> None:
    _collections()
    _embeddings()
    _images()
    _tombstones()
    _servers()
    _jobs()
    _keys()


def downgrade() -> None:
    """Images whose embedding lies in no shard, those that came through the API, are forgotten."""
    for table in ("api_keys", "jobs", "opened_versions", "servers", "tombstones"):
        op.drop_table(table)
    _images_with_places()
    op.drop_table("embeddings")
    for column in ("next_version_id", "lease_owner", "lease_token", "lease_until"):
        op.drop_column("collections", column)


def _collections() -> None:
    """On SQLite the first migration's copy of the table gave out ids again."""
    columns = (
        sa.Column("next_version_id", Key64, nullable=True),
        sa.Column("lease_owner", sa.String(length=255), nullable=True),
        sa.Column("lease_token", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
    )
    with op.batch_alter_table(
        "collections",
        table_kwargs={"sqlite_autoincrement": True},
        recreate="always" if op.get_bind().dialect.name == "sqlite" else "never",
    ) as collections:
        for column in columns:
            collections.add_column(column)


def _embeddings() -> None:
    op.create_table(
        "embeddings",
        sa.Column("collection_id", Key64, nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("encoder_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("shard_id", Key64, nullable=True),
        sa.Column("shard_row", sa.Integer(), nullable=True),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "(shard_id IS NULL) = (vector IS NOT NULL)", name=op.f("ck_embeddings_one_place")
        ),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_embeddings_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["shard_id"], ["shards.id"], name=op.f("fk_embeddings_shard_id_shards")
        ),
        sa.PrimaryKeyConstraint(
            "collection_id", "content_hash", "encoder_fingerprint", name=op.f("pk_embeddings")
        ),
    )
    op.execute(
        """
        INSERT INTO embeddings
            (collection_id, content_hash, encoder_fingerprint, shard_id, shard_row)
        SELECT images.collection_id, content_hash, encoder_fingerprint, shard_id, shard_row
        FROM images JOIN shards ON shards.id = shard_id
        WHERE images.id IN (
            SELECT MAX(images.id)
            FROM images JOIN shards ON shards.id = shard_id
            GROUP BY images.collection_id, content_hash, encoder_fingerprint
        )
        """
    )
    op.create_index("ix_embeddings_shard_id", "embeddings", ["shard_id"])


def _images() -> None:
    op.drop_index("ix_images_shard_id", "images")
    last_id = _last_image_id()
    with op.batch_alter_table(
        "images", table_kwargs={"sqlite_autoincrement": True}, recreate="auto"
    ) as images:
        images.drop_constraint(op.f("fk_images_shard_id_shards"), type_="foreignkey")
        images.drop_column("shard_id")
        images.drop_column("shard_row")
        images.add_column(sa.Column("attributes_given", sa.String(length=64), nullable=True))
    _restore_last_image_id(last_id)
    op.create_index(
        "ix_images_collection_id_change_number", "images", ["collection_id", "change_number"]
    )


def _images_with_places() -> None:
    op.drop_index("ix_images_collection_id_change_number", "images")
    op.add_column("images", sa.Column("shard_id", Key64, nullable=True))
    op.add_column("images", sa.Column("shard_row", sa.Integer(), nullable=True))
    place = """
        (SELECT embeddings.{column}
         FROM embeddings JOIN collections ON collections.id = embeddings.collection_id
         WHERE embeddings.collection_id = images.collection_id
           AND embeddings.content_hash = images.content_hash
           AND embeddings.encoder_fingerprint = collections.encoder_fingerprint)
    """
    op.execute(
        f"UPDATE images SET shard_id = {place.format(column='shard_id')}, "  # noqa: S608
        f"shard_row = {place.format(column='shard_row')}"
    )
    op.execute("DELETE FROM images WHERE shard_id IS NULL")
    last_id = _last_image_id()
    with op.batch_alter_table(
        "images", table_kwargs={"sqlite_autoincrement": True}, recreate="auto"
    ) as images:
        images.drop_column("attributes_given")
        images.alter_column("shard_id", existing_type=Key64, nullable=False)
        images.alter_column("shard_row", existing_type=sa.Integer(), nullable=False)
        images.create_foreign_key(op.f("fk_images_shard_id_shards"), "shards", ["shard_id"], ["id"])
    _restore_last_image_id(last_id)
    op.create_index("ix_images_shard_id", "images", ["shard_id"])


def _last_image_id() -> int | None:
    """The greatest id that was ever given out, on SQLite."""
    if op.get_bind().dialect.name != "sqlite":
        return None
    row = op.get_bind().execute(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'images'"))
    return row.scalar()


def _restore_last_image_id(last_id: int | None) -> None:
    """A copied table starts from the greatest id that is left: a deleted image's came back."""
    if last_id is None:
        return
    bind = op.get_bind()
    bind.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = 'images'"))
    bind.execute(
        sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('images', :last)"),
        {"last": last_id},
    )


def _tombstones() -> None:
    op.create_table(
        "tombstones",
        sa.Column("collection_id", Key64, nullable=False),
        sa.Column("image_id", Key64, autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=1024), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_tombstones_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", "image_id", name=op.f("pk_tombstones")),
    )
    op.create_index(
        "ix_tombstones_collection_id_change_number",
        "tombstones",
        ["collection_id", "change_number"],
    )
    op.create_index("ix_tombstones_collection_id_key", "tombstones", ["collection_id", "key"])


def _servers() -> None:
    op.create_table(
        "servers",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_servers")),
    )
    op.create_table(
        "opened_versions",
        sa.Column("server_id", sa.String(length=32), nullable=False),
        sa.Column("version_id", Key64, nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["servers.id"],
            name=op.f("fk_opened_versions_server_id_servers"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["index_versions.id"],
            name=op.f("fk_opened_versions_version_id_index_versions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("server_id", "version_id", name=op.f("pk_opened_versions")),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("collection_id", Key64, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("stage", sa.String(length=32), nullable=True),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_jobs_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"])
    op.create_index(
        "uq_jobs_collection_id_unfinished",
        "jobs",
        ["collection_id"],
        unique=True,
        sqlite_where=_UNFINISHED,
        postgresql_where=_UNFINISHED,
    )


def _keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
