"""The family of a collection's index.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "collections",
        sa.Column("index_family", sa.String(length=32), server_default="auto", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("collections", "index_family")
