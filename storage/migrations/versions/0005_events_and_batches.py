"""The log of a job that clients follow, batches of jobs, and jobs that are run again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = UtcDateTime()


def upgrade() -> None:
    """Make both tables, and what a job says of its log, its batch and its last retry."""
    op.add_column("jobs", sa.Column("retry_id", sa.String(length=128), nullable=True))
    op.add_column("jobs", sa.Column("last_event", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("jobs", sa.Column("logged", sa.String(length=128), nullable=True))
    op.add_column("jobs", sa.Column("batch_id", sa.String(length=128), nullable=True))
    op.add_column("jobs", sa.Column("batch_position", sa.Integer(), nullable=True))
    op.create_index("ix_jobs_batch_id_batch_position", "jobs", ["batch_id", "batch_position"], unique=False)
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.String(length=128), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("file_id", sa.String(length=128), nullable=True),
        sa.Column("piece", sa.Integer(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name="fk_job_events_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_job_events"),
    )
    op.create_index("ix_job_events_file_id", "job_events", ["file_id"], unique=False)
    op.create_table(
        "batches",
        sa.Column("batch_id", sa.String(length=128), nullable=False),
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("jobs_count", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_batches_owner_id_owners"),
        sa.PrimaryKeyConstraint("batch_id", name="pk_batches"),
    )
    op.create_index(
        "ix_batches_owner_id_created_at_batch_id", "batches", ["owner_id", "created_at", "batch_id"], unique=False
    )


def downgrade() -> None:
    """Drop it all."""
    op.drop_table("batches")
    op.drop_table("job_events")
    op.drop_index("ix_jobs_batch_id_batch_position", table_name="jobs")
    for name in ("batch_position", "batch_id", "logged", "last_event", "retry_id"):
        op.drop_column("jobs", name)
