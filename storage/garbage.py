"""Blobs that nothing refers to any more: noted in the transaction that lets go of them, deleted after it.

So a crash between the two loses no deletion: the next ``collect`` goes on with it. A name that ends in ``/``
stands for everything under it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from storage.blobs import Blobs
from storage.database import Database
from storage.errors import BlobMissing
from storage.tables import garbage
from storage.upserts import insert_or_ignore

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Removed:
    """How much went away. ``size`` in bytes, 0 where nobody counted them."""

    count: int = 0
    size: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(self.count + other.count, self.size + other.size)


class Garbage:
    """The blobs to be deleted."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    async def collect(self, *, weigh: bool = False) -> Removed:
        """Delete what was noted, and return how many names that were; safe to call at any time, and again.

        Only with ``weigh`` are the bytes counted: a bucket is asked for them name by name.
        """
        total = Removed()
        while names := await self._noted():
            weight = await asyncio.to_thread(self._weigh, names) if weigh else 0
            await asyncio.to_thread(self._delete, names)
            async with self._database.writing() as connection:
                await connection.execute(delete(garbage).where(garbage.c.blob_key.in_(names)))
            total += Removed(len(names), weight)
        return total

    async def _noted(self) -> list[str]:
        query = select(garbage.c.blob_key).order_by(garbage.c.created_at).limit(_BATCH)
        async with self._database.reading() as connection:
            return list((await connection.execute(query)).scalars())

    def _weigh(self, names: Iterable[str]) -> int:
        weight = 0
        for name in names:
            if name.endswith("/"):
                weight += sum(entry.size for entry in self._blobs.entries(name))
                continue
            with suppress(BlobMissing):
                weight += self._blobs.size(name)
        return weight

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
