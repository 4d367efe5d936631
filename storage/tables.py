"""The tables. Every row that belongs to somebody carries ``owner_id``.

Migrations only add: a process of the version before keeps working on the new schema, so a new column is
nullable or has a server default, and nothing is renamed.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.columns import UtcDateTime

DEFAULT_OWNER = "default"
"""Who everything belongs to on a server without tenants."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(128)
"""Ids of any kind."""
_KEY = String(1024)


def owner() -> Column[str]:
    """The column that says whose a row is."""
    return Column("owner_id", ID, ForeignKey("owners.owner_id"), nullable=False)


owners = Table(
    "owners",
    metadata,
    Column("owner_id", ID, primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", ID, primary_key=True),
    owner(),
    Column("name", String(200), nullable=False),
    Column("prefix", String(32), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Index(None, "owner_id"),
)

files = Table(
    "files",
    metadata,
    Column("file_id", ID, primary_key=True),
    owner(),
    Column("filename", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("duration", Float),
    Column("sample_rate", Integer),
    Column("channels", Integer),
    Column("sha256", String(64)),
    Column("blob_key", _KEY),
    Column("source_url", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "owner_id", "created_at", "file_id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", ID, primary_key=True),
    owner(),
    Column("status", String(16), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("progress", Float, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("attempt_token", String(64)),
    Column("begun_at", UtcDateTime),
    Column("submission", Integer, nullable=False),
    Column("lost_runs", Integer, nullable=False, server_default=text("0")),
    Column("crashes", Integer, nullable=False, server_default=text("0")),
    Column("crashes_alone", Integer, nullable=False, server_default=text("0")),
    Column("suspect", Integer, nullable=False, server_default=text("0")),
    Column("waits", JSON(none_as_null=True)),
    Column("waiting_for", String(64)),
    Column("waiting_until", UtcDateTime),
    Column("flow_run_id", ID),
    Column("priority", String(16), nullable=False),
    Column("priority_rank", Integer, nullable=False),
    Column("specification", JSON(none_as_null=True), nullable=False),
    Column("specification_version", Integer, nullable=False),
    Column("metadata", JSON(none_as_null=True), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("expires_in", Float),
    Column("not_before", UtcDateTime),
    Column("cancel_requested_at", UtcDateTime),
    Column("results_deleted_at", UtcDateTime),
    Column("error", Text),
    Column("error_code", String(64)),
    Column("retry_id", ID),
    Column("last_event", Integer, nullable=False, server_default=text("0")),
    Column("logged", String(128)),
    Column("batch_id", ID),
    Column("batch_position", Integer),
    Index(None, "owner_id", "created_at", "job_id"),
    Index(None, "owner_id", "status", "created_at", "job_id"),
    Index(None, "status", "priority_rank", "created_at", "job_id"),
    Index(None, "expires_at"),
    Index(None, "batch_id", "batch_position"),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("owner_id", ID, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("file_id", ID),
    Column("piece", Integer),
    Column("data", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "file_id"),
)

parts = Table(
    "parts",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    Column("file_id", ID, primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    owner(),
    Column("submission", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("first_piece", Integer, nullable=False),
    Column("end_piece", Integer, nullable=False),
    Column("language", String(16)),
    Column("seconds", Float, nullable=False),
    Column("done_seconds", Float, nullable=False, server_default=text("0")),
    Column("whole_seconds", Float, nullable=False),
    Column("flow_run_id", ID),
    Column("created_at", UtcDateTime, nullable=False),
    Column("deadline_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("settled_at", UtcDateTime),
    Index(None, "settled_at", "created_at"),
    Index(None, "flow_run_id"),
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", ID, primary_key=True),
    owner(),
    Column("jobs_count", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "owner_id", "created_at", "batch_id"),
)

job_files = Table(
    "job_files",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("owner_id", ID, nullable=False),
    Column("file_id", ID, nullable=False),
    Column("filename", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("progress", Float, nullable=False),
    Column("error", Text),
    Column("error_code", String(64)),
    Column("transcript_id", ID),
    Column("provider", String(64)),
    Column("model", String(512)),
    Column("providers_tried", JSON(none_as_null=True), nullable=False),
    UniqueConstraint("job_id", "file_id"),
    Index(None, "file_id"),
)

transcripts = Table(
    "transcripts",
    metadata,
    Column("transcript_id", ID, primary_key=True),
    owner(),
    Column("job_id", ID),
    Column("file_id", ID),
    Column("filename", Text, nullable=False),
    Column("duration", Float, nullable=False),
    Column("language", String(32)),
    Column("language_probability", Float),
    Column("segments_count", Integer, nullable=False),
    Column("words_count", Integer, nullable=False),
    Column("speakers_count", Integer, nullable=False),
    Column("blob_key", _KEY, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("job_id", "file_id"),
    Index(None, "owner_id", "created_at", "transcript_id"),
    Index(None, "blob_key"),
)

steps = Table(
    "steps",
    metadata,
    Column("job_id", ID, primary_key=True),
    Column("file_id", ID, primary_key=True),
    Column("step", String(64), primary_key=True),
    Column("step_key", String(256), primary_key=True),
    owner(),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "file_id"),
    Index(None, "step_key"),
    Index(None, "owner_id", "step"),
)

outbox = Table(
    "outbox",
    metadata,
    # SQLite numbers rows by itself only in an INTEGER key.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    owner(),
    Column("job_id", ID, nullable=False),
    Column("submission", Integer, nullable=False),
    Column("flow_run_id", ID),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Index(None, "due_at", "id"),
    Index(None, "job_id"),
)

garbage = Table(
    "garbage",
    metadata,
    Column("blob_key", _KEY, primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("holder", String(256), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

installation = Table(
    "installation",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("identity", String(64), nullable=False),
)

marks = Table(
    "marks",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("worker_id", ID, primary_key=True),
    Column("name", String(256), nullable=False),
    Column("host", String(256), nullable=False),
    Column("pool", String(256), nullable=False),
    Column("device", String(128), nullable=False),
    Column("slots", Integer, nullable=False),
    Column("busy", Integer, nullable=False),
    Column("details", JSON(none_as_null=True), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("beat_at", UtcDateTime, nullable=False),
    Index(None, "beat_at"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner_id", ID, ForeignKey("owners.owner_id"), primary_key=True),
    Column("route", String(128), primary_key=True),
    Column("idempotency_key", String(256), primary_key=True),
    Column("body_hash", String(128), nullable=False),
    Column("resource_id", ID, nullable=False),
    Column("response_status", Integer),
    Column("response_body", LargeBinary),
    Column("created_at", UtcDateTime, nullable=False),
    Column("taken_at", UtcDateTime, nullable=False),
    Index(None, "created_at"),
)

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    Column("secret_id", ID, primary_key=True),
    owner(),
    # As it is, not hashed: it is what messages are signed with.
    Column("secret", String(256), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("retires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Index(None, "owner_id", "created_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", ID, primary_key=True),
    owner(),
    Column("job_id", ID, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("event", String(16), nullable=False),
    Column("url", Text),
    Column("data", JSON(none_as_null=True)),
    Column("status", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime),
    Column("delivered_at", UtcDateTime),
    Column("dispatches", Integer, nullable=False),
    Column("dispatched_until", UtcDateTime),
    Column("lease", String(64)),
    Column("leased_until", UtcDateTime),
    UniqueConstraint("job_id", "attempt", "event", name="uq_deliveries_job_id_attempt_event"),
    Index(None, "status", "due_at"),
    Index(None, "job_id", "created_at", "delivery_id"),
)
