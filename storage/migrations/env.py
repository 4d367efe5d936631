"""Alembic comes in here with a connection that the caller has opened, already inside a transaction."""

from __future__ import annotations

from alembic import context

import storage.ingest_tables
import storage.speaker_tables  # noqa: F401 - their tables belong to the metadata
from storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
