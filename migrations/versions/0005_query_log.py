"""The query log.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# SQLite knows one kind of integer by its declaration.
Key64 = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "query_log",
        sa.Column("collection_id", Key64, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("text", sa.String(length=160), nullable=False),
        sa.Column("clients", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_query_log_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", "day", "text", name=op.f("pk_query_log")),
    )
    op.create_table(
        "query_log_marks",
        sa.Column("collection_id", Key64, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("mark", sa.LargeBinary(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_query_log_marks_collection_id_collections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", "day", "mark", name=op.f("pk_query_log_marks")),
    )
    op.create_table(
        "query_log_salts",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_query_log_salts")),
    )


def downgrade() -> None:
    for table in ("query_log_salts", "query_log_marks", "query_log"):
        op.drop_table(table)
