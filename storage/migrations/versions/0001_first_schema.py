"""The first schema: owners, keys, files, jobs, transcripts, and what control keeps."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from storage.columns import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = UtcDateTime()


def upgrade() -> None:
    """Make every table, and the owner of a server without tenants."""
    op.create_table(
        "garbage",
        sa.Column("blob_key", sa.String(length=1024), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("blob_key", name="pk_garbage"),
    )
    op.create_table(
        "installation",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_installation"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("holder", sa.String(length=256), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_marks"),
    )
    op.create_table(
        "owners",
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name="pk_owners"),
    )
    op.create_table(
        "workers",
        sa.Column("worker_id", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("host", sa.String(length=256), nullable=False),
        sa.Column("pool", sa.String(length=256), nullable=False),
        sa.Column("device", sa.String(length=128), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("busy", sa.Integer(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("beat_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name="pk_workers"),
    )
    op.create_index("ix_workers_beat_at", "workers", ["beat_at"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(length=128), nullable=False),
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("prefix", sa.String(length=32), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_api_keys_owner_id_owners"),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
        sa.UniqueConstraint("secret_hash", name="uq_api_keys_secret_hash"),
    )
    op.create_index("ix_api_keys_owner_id", "api_keys", ["owner_id"], unique=False)
    op.create_table(
        "files",
        sa.Column("file_id", sa.String(length=128), nullable=False),
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("duration", sa.Float(), nullable=True),
        sa.Column("sample_rate", sa.Integer(), nullable=True),
        sa.Column("channels", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("blob_key", sa.String(length=1024), nullable=True),
        sa.Column("source_url", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_files_owner_id_owners"),
        sa.PrimaryKeyConstraint("file_id", name="pk_files"),
    )
    op.create_index(
        "ix_files_owner_id_created_at_file_id", "files", ["owner_id", "created_at", "file_id"], unique=False
    )
    op.create_table(
        "idempotency",
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("route", sa.String(length=128), nullable=False),
        sa.Column("idempotency_key", sa.String(length=256), nullable=False),
        sa.Column("body_hash", sa.String(length=128), nullable=False),
        sa.Column("resource_id", sa.String(length=128), nullable=False),
        sa.Column("response_status", sa.Integer(), nullable=True),
        sa.Column("response_body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("taken_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_idempotency_owner_id_owners"),
        sa.PrimaryKeyConstraint("owner_id", "route", "idempotency_key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.String(length=128), nullable=False),
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("attempt_token", sa.String(length=64), nullable=True),
        sa.Column("begun_at", MOMENT, nullable=True),
        sa.Column("submission", sa.Integer(), nullable=False),
        sa.Column("lost_runs", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("flow_run_id", sa.String(length=128), nullable=True),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("priority_rank", sa.Integer(), nullable=False),
        sa.Column("specification", sa.JSON(), nullable=False),
        sa.Column("specification_version", sa.Integer(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("completed_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("not_before", MOMENT, nullable=True),
        sa.Column("cancel_requested_at", MOMENT, nullable=True),
        sa.Column("results_deleted_at", MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_jobs_owner_id_owners"),
        sa.PrimaryKeyConstraint("job_id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_owner_id_created_at_job_id", "jobs", ["owner_id", "created_at", "job_id"], unique=False)
    op.create_index(
        "ix_jobs_owner_id_status_created_at_job_id",
        "jobs",
        ["owner_id", "status", "created_at", "job_id"],
        unique=False,
    )
    op.create_index(
        "ix_jobs_status_priority_rank_created_at_job_id",
        "jobs",
        ["status", "priority_rank", "created_at", "job_id"],
        unique=False,
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("job_id", sa.String(length=128), nullable=False),
        sa.Column("submission", sa.Integer(), nullable=False),
        sa.Column("flow_run_id", sa.String(length=128), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_outbox_owner_id_owners"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_due_at_id", "outbox", ["due_at", "id"], unique=False)
    op.create_index("ix_outbox_job_id", "outbox", ["job_id"], unique=False)
    op.create_table(
        "steps",
        sa.Column("job_id", sa.String(length=128), nullable=False),
        sa.Column("file_id", sa.String(length=128), nullable=False),
        sa.Column("step", sa.String(length=64), nullable=False),
        sa.Column("step_key", sa.String(length=256), nullable=False),
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_steps_owner_id_owners"),
        sa.PrimaryKeyConstraint("job_id", "file_id", "step", "step_key", name="pk_steps"),
    )
    op.create_index("ix_steps_file_id", "steps", ["file_id"], unique=False)
    op.create_table(
        "transcripts",
        sa.Column("transcript_id", sa.String(length=128), nullable=False),
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("job_id", sa.String(length=128), nullable=True),
        sa.Column("file_id", sa.String(length=128), nullable=True),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("duration", sa.Float(), nullable=False),
        sa.Column("language", sa.String(length=32), nullable=True),
        sa.Column("language_probability", sa.Float(), nullable=True),
        sa.Column("segments_count", sa.Integer(), nullable=False),
        sa.Column("words_count", sa.Integer(), nullable=False),
        sa.Column("speakers_count", sa.Integer(), nullable=False),
        sa.Column("blob_key", sa.String(length=1024), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_transcripts_owner_id_owners"),
        sa.PrimaryKeyConstraint("transcript_id", name="pk_transcripts"),
        sa.UniqueConstraint("job_id", "file_id", name="uq_transcripts_job_id_file_id"),
    )
    op.create_index(
        "ix_transcripts_owner_id_created_at_transcript_id",
        "transcripts",
        ["owner_id", "created_at", "transcript_id"],
        unique=False,
    )
    op.create_table(
        "job_files",
        sa.Column("job_id", sa.String(length=128), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("file_id", sa.String(length=128), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("transcript_id", sa.String(length=128), nullable=True),
        sa.Column("provider", sa.String(length=64), nullable=True),
        sa.Column("model", sa.String(length=512), nullable=True),
        sa.Column("providers_tried", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name="fk_job_files_job_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "position", name="pk_job_files"),
        sa.UniqueConstraint("job_id", "file_id", name="uq_job_files_job_id_file_id"),
    )
    op.create_index("ix_job_files_file_id", "job_files", ["file_id"], unique=False)
    owners = sa.table("owners", sa.column("owner_id", sa.String()), sa.column("created_at", MOMENT))
    op.bulk_insert(owners, [{"owner_id": "default", "created_at": datetime.now(UTC)}])


def downgrade() -> None:
    """Drop everything."""
    op.drop_table("job_files")
    op.drop_table("transcripts")
    op.drop_table("steps")
    op.drop_table("outbox")
    op.drop_table("jobs")
    op.drop_table("idempotency")
    op.drop_table("files")
    op.drop_table("api_keys")
    op.drop_table("workers")
    op.drop_table("owners")
    op.drop_table("marks")
    op.drop_table("leases")
    op.drop_table("installation")
    op.drop_table("garbage")
