"""The tables of ingestion: sources, their objects, and the runs over them. What holds of all tables is in tables.py."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.columns import UtcDateTime
from storage.tables import ID, metadata, owner

ingests = Table(
    "ingests",
    metadata,
    Column("ingest_id", ID, primary_key=True),
    owner(),
    Column("options", JSON(none_as_null=True), nullable=False),
    Column("options_version", Integer, nullable=False),
    Column("schedule", String(100)),
    Column("timezone", String(64), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("watermark", UtcDateTime),
    Column("runs_wanted", Integer, nullable=False, server_default=text("0")),
    Column("runs_made", Integer, nullable=False, server_default=text("0")),
    Column("settled_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index(None, "owner_id", "created_at", "ingest_id"),
)

ingest_objects = Table(
    "ingest_objects",
    metadata,
    Column("object_id", ID, primary_key=True),
    Column("ingest_id", ID, ForeignKey("ingests.ingest_id", ondelete="CASCADE"), nullable=False),
    owner(),
    # Digests, since a key may be longer than an index takes: of the URL, and of the URL with its version.
    Column("place", String(64), nullable=False),
    Column("place_version", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("version", String(256), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("modified_at", UtcDateTime),
    Column("status", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("write_tries", Integer, nullable=False, server_default=text("0")),
    Column("job_id", ID),
    Column("error", Text),
    Column("error_code", String(64)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    UniqueConstraint("owner_id", "place_version"),
    Index(None, "ingest_id", "status", "object_id"),
    Index(None, "ingest_id", "created_at", "object_id"),
    Index(None, "owner_id", "place", "created_at"),
    Index(None, "job_id"),
)

ingest_runs = Table(
    "ingest_runs",
    metadata,
    Column("run_id", ID, primary_key=True),
    Column("ingest_id", ID, ForeignKey("ingests.ingest_id", ondelete="CASCADE"), nullable=False),
    owner(),
    Column("flow_run_id", ID),
    Column("status", String(16), nullable=False),
    Column("counts", JSON(none_as_null=True), nullable=False),
    Column("error", Text),
    Column("error_code", String(64)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Index(None, "ingest_id", "created_at", "run_id"),
)
