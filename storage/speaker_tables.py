"""The tables of enrolled speakers, and of deeds to be accounted for. What holds of all tables is in tables.py."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.columns import UtcDateTime
from storage.tables import ID, metadata, owner

speakers = Table(
    "speakers",
    metadata,
    Column("speaker_id", ID, primary_key=True),
    owner(),
    Column("name", String(200), nullable=False),
    # A digest of the name as it is compared: a name may be written in several ways.
    Column("name_key", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("owner_id", "name_key"),
    Index(None, "owner_id", "created_at", "speaker_id"),
)

speaker_takes = Table(
    "speaker_takes",
    metadata,
    Column("take_id", ID, primary_key=True),
    Column("speaker_id", ID, ForeignKey("speakers.speaker_id", ondelete="CASCADE"), nullable=False),
    owner(),
    # No foreign key: the recording may go while the take stays.
    Column("file_id", ID, nullable=False),
    Column("status", String(16), nullable=False),
    Column("duration", Float),
    Column("vector", LargeBinary),
    Column("model_digest", String(128)),
    Column("error", Text),
    Column("error_code", String(64)),
    # Seconds that it has waited, by what for.
    Column("waits", JSON(none_as_null=True)),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("flow_run_id", ID),
    Column("dispatches", Integer, nullable=False, server_default=text("0")),
    Column("dispatched_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    UniqueConstraint("speaker_id", "file_id"),
    Index(None, "status", "dispatched_until"),
    Index(None, "owner_id", "status"),
    Index(None, "file_id"),
)

voice_models = Table(
    "voice_models",
    metadata,
    Column("model_digest", String(128), primary_key=True),
    Column("used_at", UtcDateTime, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("entry_id", ID, primary_key=True),
    owner(),
    Column("action", String(64), nullable=False),
    # Ids alone: what was deleted must not live on here.
    Column("resource_id", ID, nullable=False),
    Column("key_id", ID),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "owner_id", "created_at", "entry_id"),
)
