"""A stamp, of the source's own making, in place of the modification time.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Not in batches: those copy the table on SQLite, which may have millions of rows, and the copy
# would give out ids of deleted images again, because AUTOINCREMENT is not copied.


def upgrade() -> None:
    op.add_column("images", sa.Column("stamp", sa.String(length=255), nullable=True))
    op.execute(
        "UPDATE images SET stamp = CAST(file_size AS VARCHAR) || '-' || CAST(mtime_ns AS VARCHAR)"
    )
    op.drop_column("images", "mtime_ns")


def downgrade() -> None:
    """The times are forgotten: the next run reads every file again, and embeds none."""
    op.add_column(
        "images", sa.Column("mtime_ns", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.drop_column("images", "stamp")
