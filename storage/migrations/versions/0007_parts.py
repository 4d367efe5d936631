"""Parts of long recordings that are recognised in parallel."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; a worker of the version before recognises all of a recording by itself."""
    op.create_table(
        "parts",
        sa.Column("job_id", sa.String(128), nullable=False),
        sa.Column("file_id", sa.String(128), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.String(128), nullable=False),
        sa.Column("submission", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("first_piece", sa.Integer(), nullable=False),
        sa.Column("end_piece", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(16)),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("done_seconds", sa.Float(), nullable=False, server_default=sa.text("0")),
        sa.Column("whole_seconds", sa.Float(), nullable=False),
        sa.Column("flow_run_id", sa.String(128)),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("deadline_at", UtcDateTime()),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("settled_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("job_id", "file_id", "part", name="pk_parts"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name="fk_parts_job_id_jobs", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_parts_owner_id_owners"),
    )
    op.create_index("ix_parts_settled_at_created_at", "parts", ["settled_at", "created_at"])
    op.create_index("ix_parts_flow_run_id", "parts", ["flow_run_id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("parts")
