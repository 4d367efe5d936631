"""Blobs that nothing refers to: an upload died between its bytes and its row, an attempt was superseded.

What is younger than a limit is left alone, since its row may be about to be written. So is whatever does not look like
one of ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.blobs import BlobEntry, Blobs
from storage.database import Database
from storage.garbage import Removed
from storage.tables import files, steps, transcripts

_PAGE = 500
ROOT = "owners"


class Orphans:
    """The blobs of an installation, compared with its rows."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    async def sweep(self, before: datetime) -> Removed:
        """Delete what was written before then and has no row; safe beside whoever reads or writes."""
        removed = Removed(*await asyncio.to_thread(self._blobs.sweep, before))
        entries = self._blobs.entries(ROOT)
        while page := await asyncio.to_thread(_next_page, entries, before):
            lost = await self._without_row(page)
            await asyncio.to_thread(self._delete, lost)
            removed += Removed(len(lost), sum(entry.size for entry in lost))
        return removed

    async def _without_row(self, page: Sequence[BlobEntry]) -> list[BlobEntry]:
        named = {entry.key: name for entry in page if (name := _named(entry.key)) is not None}
        async with self._database.reading() as connection:
            known = await _known(connection, set(named.values()))
        return [entry for entry in page if entry.key in named and named[entry.key] not in known]

    def _delete(self, lost: Sequence[BlobEntry]) -> None:
        for entry in lost:
            self._blobs.delete(entry.key)


def _next_page(entries: Iterator[BlobEntry], before: datetime) -> list[BlobEntry]:
    return list(islice((entry for entry in entries if entry.written_at < before), _PAGE))


def _named(key: str) -> tuple[str, str] | None:
    """What a blob belongs to: the table and the word that its row is found by; None for what is not ours."""
    match key.split("/"):
        case ["owners", _, "files", file_id, _]:
            # However far the row is: a URL that is being fetched has no bytes yet as far as it knows.
            return "files", file_id
        case ["owners", _, "steps", name] if name.endswith(".json"):
            return "steps", name.removesuffix(".json")
        case ["owners", owner, "transcripts", transcript_id, *within] if within:
            # The folder of one attempt; the row names that of the attempt that counts.
            folder = within[:1] if len(within) > 1 and within[0] != "rendered" else []
            return "transcripts", "/".join(["owners", owner, "transcripts", transcript_id, *folder, "transcript.json"])
    return None


async def _known(connection: AsyncConnection, named: set[tuple[str, str]]) -> set[tuple[str, str]]:
    columns = {"files": files.c.file_id, "steps": steps.c.step_key, "transcripts": transcripts.c.blob_key}
    known: set[tuple[str, str]] = set()
    for table, column in columns.items():
        words = [word for kind, word in named if kind == table]
        if words:
            found = await connection.execute(select(column).where(column.in_(words)).distinct())
            known |= {(table, word) for word in found.scalars()}
    return known
