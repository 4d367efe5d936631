"""Sources that are ingested from, the versions of objects that were met there, and the runs that looked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.columns import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = UtcDateTime()


def upgrade() -> None:
    """Make the three tables."""
    _make_ingests()
    _make_objects()
    _make_runs()


def _make_ingests() -> None:
    op.create_table(
        "ingests",
        sa.Column("ingest_id", sa.String(length=128), nullable=False),
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("options_version", sa.Integer(), nullable=False),
        sa.Column("schedule", sa.String(length=100), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("watermark", MOMENT, nullable=True),
        sa.Column("runs_wanted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("runs_made", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_ingests_owner_id_owners"),
        sa.PrimaryKeyConstraint("ingest_id", name="pk_ingests"),
    )
    op.create_index(
        "ix_ingests_owner_id_created_at_ingest_id", "ingests", ["owner_id", "created_at", "ingest_id"], unique=False
    )


def _make_objects() -> None:
    op.create_table(
        "ingest_objects",
        sa.Column("object_id", sa.String(length=128), nullable=False),
        sa.Column("ingest_id", sa.String(length=128), nullable=False),
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("place", sa.String(length=64), nullable=False),
        sa.Column("place_version", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("version", sa.String(length=256), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", MOMENT, nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("write_tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("job_id", sa.String(length=128), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["ingest_id"], ["ingests.ingest_id"], name="fk_ingest_objects_ingest_id_ingests", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_ingest_objects_owner_id_owners"),
        sa.PrimaryKeyConstraint("object_id", name="pk_ingest_objects"),
        sa.UniqueConstraint("owner_id", "place_version", name="uq_ingest_objects_owner_id_place_version"),
    )
    for columns in (
        ["ingest_id", "status", "object_id"],
        ["ingest_id", "created_at", "object_id"],
        ["owner_id", "place", "created_at"],
        ["job_id"],
    ):
        op.create_index(f"ix_ingest_objects_{'_'.join(columns)}", "ingest_objects", columns, unique=False)


def _make_runs() -> None:
    op.create_table(
        "ingest_runs",
        sa.Column("run_id", sa.String(length=128), nullable=False),
        sa.Column("ingest_id", sa.String(length=128), nullable=False),
        sa.Column("owner_id", sa.String(length=128), nullable=False),
        sa.Column("flow_run_id", sa.String(length=128), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["ingest_id"], ["ingests.ingest_id"], name="fk_ingest_runs_ingest_id_ingests", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.owner_id"], name="fk_ingest_runs_owner_id_owners"),
        sa.PrimaryKeyConstraint("run_id", name="pk_ingest_runs"),
    )
    op.create_index(
        "ix_ingest_runs_ingest_id_created_at_run_id", "ingest_runs", ["ingest_id", "created_at", "run_id"], unique=False
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("ingest_runs")
    op.drop_table("ingest_objects")
    op.drop_table("ingests")
