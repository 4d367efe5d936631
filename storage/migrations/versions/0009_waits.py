"""For how long a job has waited for what is no fault of its own, and what it waits for now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; jobs of before have waited for nothing."""
    op.add_column("jobs", sa.Column("waits", sa.JSON(none_as_null=True)))
    op.add_column("jobs", sa.Column("waiting_for", sa.String(64)))


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("waiting_for")
        jobs.drop_column("waits")
