"""Until when a job waits for what is no fault of its own: it stands in nobody's way meanwhile."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of jobs that wait already nobody knows."""
    op.add_column("jobs", sa.Column("waiting_until", UtcDateTime()))


def downgrade() -> None:
    """Drop it."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("waiting_until")
