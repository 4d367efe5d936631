"""How long a job's results are kept, fixed when the job is accepted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Seconds from a job's end to the end of its results, and indexes for those who look for what is over."""
    op.add_column("jobs", sa.Column("expires_in", sa.Float(), nullable=True))
    op.create_index("ix_jobs_expires_at", "jobs", ["expires_at"], unique=False)
    op.create_index("ix_steps_step_key", "steps", ["step_key"], unique=False)
    op.create_index("ix_transcripts_blob_key", "transcripts", ["blob_key"], unique=False)


def downgrade() -> None:
    """Forget it."""
    op.drop_index("ix_transcripts_blob_key", table_name="transcripts")
    op.drop_index("ix_steps_step_key", table_name="steps")
    op.drop_index("ix_jobs_expires_at", table_name="jobs")
    op.drop_column("jobs", "expires_in")
