"""Recordings: uploaded ones, and those that a job fetches from a URL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.jobs import StoredFile
from storage import records
from storage.database import Database
from storage.errors import FileInUse, Missing
from storage.garbage import discard
from storage.paging import read_page
from storage.specification import without_secrets
from storage.steps import forget_steps
from storage.submission import UNFINISHED
from storage.tables import files, job_files, jobs
from storage.takes import waiting_for

_AT_ONCE = 500


class Files:
    """The recordings of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, file: StoredFile, *more: StoredFile) -> None:
        """Store rows, all or none; their blobs are already written."""
        async with self._database.writing() as connection:
            await connection.execute(insert(files), [asdict(one) for one in (file, *more)])

    async def get(self, owner_id: str, file_id: str) -> StoredFile:
        """The recording; Missing(file_not_found). Its ``source_url`` may hold secrets: never log it."""
        query = select(files).where(files.c.file_id == file_id, files.c.owner_id == owner_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise _missing(file_id)
        return records.stored_file(row)

    async def fetched(
        self,
        file_id: str,
        *,
        blob_key: str,
        size: int,
        sha256: str,
        duration: float | None = None,
        sample_rate: int | None = None,
        channels: int | None = None,
        content_type: str | None = None,
        filename: str | None = None,
    ) -> None:
        """The URL was fetched and its bytes lie under ``blob_key``; its secrets are forgotten. Missing."""
        values: dict[str, Any] = {
            "blob_key": blob_key,
            "size_bytes": size,
            "sha256": sha256,
            "duration": duration,
            "sample_rate": sample_rate,
            "channels": channels,
        }
        given = {"content_type": content_type, "filename": filename}
        values |= {name: value for name, value in given.items() if value is not None}
        async with self._database.writing() as connection:
            row = await _held(connection, files.c.file_id == file_id)
            if row is None:
                raise _missing(file_id)
            values["source_url"] = without_secrets(row["source_url"]) if row["source_url"] else None
            await connection.execute(update(files).where(files.c.file_id == file_id).values(values))
            if filename is not None:
                renamed = update(job_files).where(job_files.c.file_id == file_id).values(filename=filename)
                await connection.execute(renamed)

    async def delete(self, owner_id: str, file_id: str) -> list[str]:
        """Delete the recording and the step caches made from it; FileInUse, Missing.

        Returns the names of the blobs that go with it (see Store.collect). Transcripts made from it stay.
        """
        async with self._database.writing() as connection:
            row = await _held(connection, (files.c.file_id == file_id) & (files.c.owner_id == owner_id))
            if row is None:
                raise _missing(file_id)
            await _refuse_if_used(connection, file_id)
            names = [row["blob_key"]] if row["blob_key"] is not None else []
            await discard(connection, names)
            names += await forget_steps(connection, file_id=file_id)
            await connection.execute(delete(files).where(files.c.file_id == file_id))
        return names

    async def absent(self, owner_id: str, file_ids: Collection[str]) -> set[str]:
        """Those of the ids that are no file of the owner's."""
        wanted, found = list(file_ids), set[str]()
        async with self._database.reading() as connection:
            for start in range(0, len(wanted), _AT_ONCE):
                some = files.c.file_id.in_(wanted[start : start + _AT_ONCE])
                query = select(files.c.file_id).where(files.c.owner_id == owner_id, some)
                found.update((await connection.execute(query)).scalars())
        return set(wanted) - found

    async def list(
        self, owner_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[StoredFile], str | None]:
        """The owner's recordings, newest first, and the cursor of the next page, None after the last one."""
        query = select(files).where(files.c.owner_id == owner_id)
        async with self._database.reading() as connection:
            rows, following = await read_page(
                connection, query, files.c.created_at, files.c.file_id, limit=limit, cursor=cursor
            )
        return [records.stored_file(row) for row in rows], following


async def _held(connection: AsyncConnection, chosen: Any) -> RowMapping | None:
    return (await connection.execute(select(files).where(chosen).with_for_update())).mappings().first()


async def _refuse_if_used(connection: AsyncConnection, file_id: str) -> None:
    query = (
        select(jobs.c.job_id)
        .join(job_files, job_files.c.job_id == jobs.c.job_id)
        .where(job_files.c.file_id == file_id, jobs.c.status.in_(UNFINISHED))
    )
    job_id = (await connection.execute(query)).scalars().first()
    if job_id is not None:
        raise FileInUse(f"Job {job_id} still needs this file; cancel it, or wait until it has ended.")
    enrolling = select(files.c.file_id).where(files.c.file_id == file_id, waiting_for(files.c.file_id))
    if (await connection.execute(enrolling)).first() is not None:
        raise FileInUse("A speaker is being enrolled by this file; wait a moment, or delete the speaker.")


def _missing(file_id: str) -> Missing:
    return Missing(f"There is no file {file_id}.", "file_not_found")
