"""Roles that one process at a time may play, such as control's."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, or_

from speech.clock import now
from storage.database import Database
from storage.tables import leases
from storage.upserts import insert_or_update


class Leases:
    """Roles held for a while, by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acquire(self, name: str, holder: str, ttl: float) -> bool:
        """Take or keep the role for ``ttl`` seconds; False while another holds it."""
        moment = now()
        values = {"name": name, "holder": holder, "expires_at": moment + timedelta(seconds=ttl)}
        free = or_(leases.c.holder == holder, leases.c.expires_at <= moment)
        async with self._database.writing(durable=False) as connection:
            statement = insert_or_update(connection, leases, values, ["name"], only_if=free)
            return (await connection.execute(statement)).rowcount == 1

    async def release(self, name: str, holder: str) -> None:
        """Give the role back, if it is held."""
        mine = (leases.c.name == name) & (leases.c.holder == holder)
        async with self._database.writing(durable=False) as connection:
            await connection.execute(delete(leases).where(mine))
