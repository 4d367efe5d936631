"""Blobs that nothing refers to any more: noted in the transaction that lets go of them, deleted after it.

So a crash between the two loses no deletion: the next ``collect`` goes on with it. A name that ends in ``/``
stands for everything under it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from storage.blobs import Blobs
from storage.database import Database
from storage.tables import garbage
from storage.upserts import insert_or_ignore

_BATCH = 200


class Garbage:
    """The blobs to be deleted."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    async def collect(self) -> int:
        """Delete what was noted, and return how many names that were; safe to call at any time, and again."""
        total = 0
        while names := await self._noted():
            await asyncio.to_thread(self._delete, names)
            async with self._database.writing() as connection:
                await connection.execute(delete(garbage).where(garbage.c.blob_key.in_(names)))
            total += len(names)
        return total

    async def _noted(self) -> list[str]:
        query = select(garbage.c.blob_key).order_by(garbage.c.created_at).limit(_BATCH)
        async with self._database.reading() as connection:
            return list((await connection.execute(query)).scalars())

    def _delete(self, names: Iterable[str]) -> None:
        for name in names:
            if name.endswith("/"):
                self._blobs.delete_prefix(name)
            else:
                self._blobs.delete(name)


async def discard(connection: AsyncConnection, names: Iterable[str]) -> None:
    """Note, in the caller's transaction, that these blobs are to go."""
    moment = now()
    rows = [{"blob_key": name, "created_at": moment} for name in sorted(set(names))]
    if rows:
        await connection.execute(insert_or_ignore(connection, garbage), rows)
