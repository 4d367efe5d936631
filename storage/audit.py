"""What was done with data that people must be able to have accounted for: ids and times, kept for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from storage.database import Database
from storage.ids import new_id
from storage.paging import read_page
from storage.speaker_tables import audit


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One deed. ``key_id`` is the API key that asked for it, None on a server without keys."""

    entry_id: str
    owner_id: str
    action: str
    resource_id: str
    key_id: str | None
    created_at: datetime


class Audit:
    """The deeds of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, owner_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[AuditEntry], str | None]:
        """The owner's, newest first, and the cursor of the next page, None after the last one."""
        query = select(audit).where(audit.c.owner_id == owner_id)
        async with self._database.reading() as connection:
            rows, following = await read_page(
                connection, query, audit.c.created_at, audit.c.entry_id, limit=limit, cursor=cursor
            )
        return [AuditEntry(**row) for row in rows], following


async def note(connection: AsyncConnection, owner_id: str, action: str, resource_id: str, key_id: str | None) -> None:
    """Write a deed down, in the transaction that does it."""
    entry = AuditEntry(new_id(), owner_id, action, resource_id, key_id, now())
    values = {name: getattr(entry, name) for name in AuditEntry.__dataclass_fields__}
    await connection.execute(insert(audit).values(values))
