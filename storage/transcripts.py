"""Transcripts: the row that says what is in a stored transcript, and its deletion with all that came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.jobs import JobStatus, transcript_id_of
from storage import specification
from storage.announcements import forget_deliveries
from storage.database import Database
from storage.errors import JobNotFinished, Missing
from storage.garbage import discard
from storage.outbox import OutboxKind, tell
from storage.steps import forget_steps
from storage.tables import files, job_files, jobs, transcripts


@dataclass(frozen=True, slots=True)
class TranscriptRow:
    """What is in a transcript, without its words, which lie under ``blob_key``. ``duration`` in seconds."""

    transcript_id: str
    owner_id: str
    job_id: str | None
    file_id: str | None
    filename: str
    duration: float
    language: str | None
    language_probability: float | None
    segments_count: int
    words_count: int
    speakers_count: int
    blob_key: str
    created_at: datetime


def transcript_folder(owner_id: str, transcript_id: str) -> str:
    """Where all that attempts wrote of a transcript lies, with the slash at its end."""
    return f"owners/{owner_id}/transcripts/{transcript_id}/"


class Transcripts:
    """The transcripts of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, owner_id: str, transcript_id: str) -> TranscriptRow:
        """The transcript; Missing(transcript_not_found)."""
        async with self._database.reading() as connection:
            return _record(await _find(connection, owner_id, transcript_id))

    async def of_job(self, owner_id: str, job_id: str) -> list[TranscriptRow]:
        """The job's transcripts, in the order of its files; empty when it has none."""
        query = (
            select(transcripts)
            .join(
                job_files,
                (job_files.c.job_id == transcripts.c.job_id) & (job_files.c.file_id == transcripts.c.file_id),
            )
            .where(transcripts.c.owner_id == owner_id, transcripts.c.job_id == job_id)
            .order_by(job_files.c.position)
        )
        async with self._database.reading() as connection:
            return [_record(row) for row in (await connection.execute(query)).mappings()]

    async def delete(self, owner_id: str, transcript_id: str) -> list[str]:
        """Delete one transcript with its rendered files and step caches; JobNotFinished, Missing.

        Returns the names of the blobs that go with it (see Store.collect). With the last one of a job, all that is
        left of the job's results goes too.
        """
        async with self._database.writing() as connection:
            row = await _find(connection, owner_id, transcript_id)
            job = await _finished_job(connection, owner_id, row["job_id"]) if row["job_id"] else None
            names = await _drop(connection, [row])
            if job is None:
                return names
            names += await forget_steps(connection, job_id=row["job_id"], file_id=row["file_id"])
            left = select(transcripts.c.transcript_id).where(transcripts.c.job_id == row["job_id"])
            if (await connection.execute(left)).first() is None:
                names += await _forget_job(connection, job)
            return names

    async def delete_of_job(self, owner_id: str, job_id: str) -> list[str]:
        """Delete all results of a job, its step caches, the recordings fetched for it, and the texts of its request.

        The job itself stays listed. JobNotFinished while it runs; Missing(job_not_found). Again: nothing.
        Returns the names of the blobs that go with it (see Store.collect).
        """
        async with self._database.writing() as connection:
            job = await _finished_job(connection, owner_id, job_id)
            return await forget_results(connection, job)


async def forget_results(connection: AsyncConnection, job: RowMapping) -> list[str]:
    """Let go of all that came of a finished job, whose row is held; the names of the blobs that go with it."""
    query = select(transcripts).where(transcripts.c.job_id == job["job_id"])
    rows = (await connection.execute(query)).mappings().all()
    return await _drop(connection, rows) + await _forget_job(connection, job)


async def replace_transcript(connection: AsyncConnection, transcript: TranscriptRow) -> None:
    """Store the row; that of an earlier attempt at the same file goes, and its blobs with it."""
    query = select(transcripts).where(
        transcripts.c.job_id == transcript.job_id, transcripts.c.file_id == transcript.file_id
    )
    rows = (await connection.execute(query)).mappings().all()
    names = [_parent(row["blob_key"]) for row in rows if _parent(row["blob_key"]) != _parent(transcript.blob_key)]
    await discard(connection, names)
    ids = [transcript.transcript_id, *(row["transcript_id"] for row in rows)]
    await connection.execute(delete(transcripts).where(transcripts.c.transcript_id.in_(ids)))
    await connection.execute(insert(transcripts).values(asdict(transcript)))


async def _find(connection: AsyncConnection, owner_id: str, transcript_id: str) -> RowMapping:
    query = select(transcripts).where(transcripts.c.transcript_id == transcript_id, transcripts.c.owner_id == owner_id)
    row = (await connection.execute(query)).mappings().first()
    if row is None:
        raise Missing(f"There is no transcript {transcript_id}.", "transcript_not_found")
    return row


async def _finished_job(connection: AsyncConnection, owner_id: str, job_id: str) -> RowMapping:
    query = select(jobs).where(jobs.c.job_id == job_id, jobs.c.owner_id == owner_id).with_for_update()
    row = (await connection.execute(query)).mappings().first()
    if row is None:
        raise Missing(f"There is no job {job_id}.", "job_not_found")
    if not JobStatus(row["status"]).finished:
        raise JobNotFinished("The job is still at work; cancel it, or wait until it has ended.")
    return row


async def _drop(connection: AsyncConnection, rows: Sequence[RowMapping]) -> list[str]:
    ids = [row["transcript_id"] for row in rows]
    names = [transcript_folder(row["owner_id"], row["transcript_id"]) for row in rows]
    await discard(connection, names)
    await connection.execute(update(job_files).where(job_files.c.transcript_id.in_(ids)).values(transcript_id=None))
    await connection.execute(delete(transcripts).where(transcripts.c.transcript_id.in_(ids)))
    return names


async def _forget_job(connection: AsyncConnection, job: RowMapping) -> list[str]:
    job_id = job["job_id"]
    names = await forget_steps(connection, job_id=job_id)
    if job["results_deleted_at"] is None:
        names += await _drop_unfinished(connection, job["owner_id"], job_id)
    names += await _drop_fetched_files(connection, job_id)
    await forget_deliveries(connection, job_id)
    values = {
        "specification": specification.scrub(job["specification"]),
        "metadata": {},
        "results_deleted_at": job["results_deleted_at"] or now(),
    }
    await connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(values))
    if job["flow_run_id"] is not None and job["results_deleted_at"] is None:
        await tell(
            connection,
            OutboxKind.DELETE_RUN,
            owner_id=job["owner_id"],
            job_id=job_id,
            submission=job["submission"],
            flow_run_id=job["flow_run_id"],
        )
    return names


async def _drop_fetched_files(connection: AsyncConnection, job_id: str) -> list[str]:
    """Recordings that were fetched for this job alone are its caches; uploaded ones are their owner's."""
    mine = select(job_files.c.file_id).where(job_files.c.job_id == job_id)
    fetched = select(files.c.file_id, files.c.blob_key).where(
        files.c.source_url.is_not(None), files.c.file_id.in_(mine)
    )
    rows = (await connection.execute(fetched.with_for_update())).all()
    # Asked once the rows are held: a job that is being accepted with one of them was there first, or comes too late.
    used = select(job_files.c.file_id).where(
        job_files.c.job_id != job_id, job_files.c.file_id.in_([row.file_id for row in rows])
    )
    kept = set((await connection.execute(used)).scalars())
    gone = [row for row in rows if row.file_id not in kept]
    names = [row.blob_key for row in gone if row.blob_key is not None]
    await discard(connection, names)
    await connection.execute(delete(files).where(files.c.file_id.in_([row.file_id for row in gone])))
    return names


async def _drop_unfinished(connection: AsyncConnection, owner_id: str, job_id: str) -> list[str]:
    """What attempts wrote that died before their row was committed: nothing but the id leads there."""
    query = select(job_files.c.file_id).where(job_files.c.job_id == job_id)
    ids = (await connection.execute(query)).scalars()
    names = [transcript_folder(owner_id, transcript_id_of(job_id, file_id)) for file_id in ids]
    await discard(connection, names)
    return names


def _parent(blob_key: str) -> str:
    return blob_key.rpartition("/")[0] + "/"


def _record(row: RowMapping) -> TranscriptRow:
    return TranscriptRow(**{name: row[name] for name in TranscriptRow.__dataclass_fields__})
