"""Which installation this database is: an id that its processes tell others by."""

from __future__ import annotations

import secrets

from sqlalchemy import select

from storage.database import Database
from storage.tables import installation
from storage.upserts import insert_or_ignore


class Installation:
    """The identity of everything that shares a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def identity(self) -> str:
        """The same for every process, made when it is first asked for."""
        async with self._database.reading() as connection:
            known = (await connection.execute(select(installation.c.identity))).scalar_one_or_none()
        return known or await self._make()

    async def _make(self) -> str:
        async with self._database.writing() as connection:
            # The key is always 1: of two processes that make it at once, one finds that of the other.
            row = {"number": 1, "identity": secrets.token_hex(16)}
            await connection.execute(insert_or_ignore(connection, installation).values(row))
            made: str = (await connection.execute(select(installation.c.identity))).scalar_one()
            return made
