"""Bringing the schema up to date, from any number of processes at once.

A database that is newer than this code is left alone: migrations only add, so this version keeps working on it.
"""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 7_705_921_366_053_117  # any number, the same in every process
_log = logging.getLogger(__name__)


def upgrade(connection: Connection) -> None:
    """Run the revisions that are missing, in the caller's transaction: all of them or none."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
    config = _config(connection)
    unknown = _unknown_revisions(connection, ScriptDirectory.from_config(config))
    if unknown:
        _log.warning("The database was migrated by a newer version (%s); it is used as it is.", ", ".join(unknown))
        return
    command.upgrade(config, "head")


def revision(connection: Connection) -> str | None:
    """The revision that the database is at, None when it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The newest revision that this code knows."""
    known = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    if known is None:
        raise RuntimeError("The migrations are missing from this installation.")
    return known


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _unknown_revisions(connection: Connection, scripts: ScriptDirectory) -> list[str]:
    known = {script.revision for script in scripts.walk_revisions()}
    return [name for name in MigrationContext.configure(connection).get_current_heads() if name not in known]
