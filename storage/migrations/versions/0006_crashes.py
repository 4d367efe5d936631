"""How often the process died that had a job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the counters; jobs of before have crashed never."""
    op.add_column("jobs", sa.Column("crashes", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("jobs", sa.Column("suspect", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("jobs", sa.Column("crashes_alone", sa.Integer(), nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("crashes_alone")
        jobs.drop_column("suspect")
        jobs.drop_column("crashes")
