"""Speakers who are known by their voices, and what was done with such data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = UtcDateTime()


def upgrade() -> None:
    """Make the four tables, and find an owner's steps without reading those of all."""
    _make_speakers()
    _make_takes()
    op.create_table(
        "voice_models",
        sa.Column("model_digest", sa.String(128), nullable=False),
        sa.Column("used_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("model_digest", name="pk_voice_models"),
    )
    _make_audit()
    op.create_index("ix_steps_owner_id_step", "steps", ["owner_id", "step"])


def _make_speakers() -> None:
    op.create_table(
        "speakers",
        sa.Column("speaker_id", sa.String(128), nullable=False),
        sa.Column("owner_id", sa.String(128), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_key", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("speaker_id", name="pk_speakers"),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_speakers_owner_id_owners"),
        sa.UniqueConstraint("owner_id", "name_key", name="uq_speakers_owner_id_name_key"),
    )
    op.create_index("ix_speakers_owner_id_created_at_speaker_id", "speakers", ["owner_id", "created_at", "speaker_id"])


def _make_takes() -> None:
    op.create_table(
        "speaker_takes",
        sa.Column("take_id", sa.String(128), nullable=False),
        sa.Column("speaker_id", sa.String(128), nullable=False),
        sa.Column("owner_id", sa.String(128), nullable=False),
        sa.Column("file_id", sa.String(128), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("duration", sa.Float()),
        sa.Column("vector", sa.LargeBinary()),
        sa.Column("model_digest", sa.String(128)),
        sa.Column("error", sa.Text()),
        sa.Column("error_code", sa.String(64)),
        sa.Column("waits", sa.JSON(none_as_null=True)),
        sa.Column("tries", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("flow_run_id", sa.String(128)),
        sa.Column("dispatches", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("dispatched_until", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT),
        sa.PrimaryKeyConstraint("take_id", name="pk_speaker_takes"),
        sa.ForeignKeyConstraint(
            ["speaker_id"], ["speakers.speaker_id"], name="fk_speaker_takes_speaker_id_speakers", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_speaker_takes_owner_id_owners"),
        sa.UniqueConstraint("speaker_id", "file_id", name="uq_speaker_takes_speaker_id_file_id"),
    )
    for columns in (["status", "dispatched_until"], ["owner_id", "status"], ["file_id"]):
        op.create_index(f"ix_speaker_takes_{'_'.join(columns)}", "speaker_takes", columns)


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("entry_id", sa.String(128), nullable=False),
        sa.Column("owner_id", sa.String(128), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("resource_id", sa.String(128), nullable=False),
        sa.Column("key_id", sa.String(128)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_audit"),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_audit_owner_id_owners"),
    )
    op.create_index("ix_audit_owner_id_created_at_entry_id", "audit", ["owner_id", "created_at", "entry_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_steps_owner_id_step", table_name="steps")
    for table in ("audit", "voice_models", "speaker_takes", "speakers"):
        op.drop_table(table)
