"""Collections, images, shards, index versions.

Revision ID: 0001
Revises: nothing
"""

import sqlalchemy as sa
from alembic import op

# SQLite grows AUTOINCREMENT keys only in a column that is declared INTEGER.
Key64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "collections",
        sa.Column("id", Key64, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("folder", sa.String(length=80), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("encoder_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("recall", sa.Double(), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.Column("active_version_id", Key64, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
        sa.UniqueConstraint("folder", name=op.f("uq_collections_folder")),
        sa.UniqueConstraint("name", name=op.f("uq_collections_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "index_versions",
        sa.Column("id", Key64, nullable=False),
        sa.Column("collection_id", Key64, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("encoder_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("factory", sa.String(length=128), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_index_versions_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_index_versions")),
        sa.UniqueConstraint(
            "collection_id", "name", name=op.f("uq_index_versions_collection_id_name")
        ),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("collections") as batch_op:
        batch_op.create_foreign_key(
            op.f("fk_collections_active_version_id_index_versions"),
            "index_versions",
            ["active_version_id"],
            ["id"],
            ondelete="SET NULL",
        )
    op.create_table(
        "shards",
        sa.Column("id", Key64, nullable=False),
        sa.Column("collection_id", Key64, nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("encoder_fingerprint", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_shards_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shards")),
        sa.UniqueConstraint("collection_id", "path", name=op.f("uq_shards_collection_id_path")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sources",
        sa.Column("id", Key64, nullable=False),
        sa.Column("collection_id", Key64, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_sources_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "images",
        sa.Column("id", Key64, nullable=False),
        sa.Column("collection_id", Key64, nullable=False),
        sa.Column("key", sa.String(length=1024), nullable=False),
        sa.Column("source_id", Key64, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("shard_id", Key64, nullable=False),
        sa.Column("shard_row", sa.Integer(), nullable=False),
        sa.Column("change_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_images_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["shard_id"], ["shards.id"], name=op.f("fk_images_shard_id_shards")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["sources.id"],
            name=op.f("fk_images_source_id_sources"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("collection_id", "key", name=op.f("uq_images_collection_id_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_images_collection_id_content_hash", "images", ["collection_id", "content_hash"]
    )
    op.create_index("ix_images_shard_id", "images", ["shard_id"])
    op.create_index("ix_images_source_id", "images", ["source_id"])


def downgrade() -> None:
    with op.batch_alter_table("collections") as batch_op:
        batch_op.drop_constraint(
            "fk_collections_active_version_id_index_versions", type_="foreignkey"
        )
    for table in ("images", "sources", "shards", "index_versions", "collections"):
        op.drop_table(table)
