"""The log of a job, which those who follow it read: written in the transaction that changes what it tells of.

Entries are numbered job by job while the job's row is held, so that numbers are in the order of the commits, whichever
process wrote them. The words of a piece lie in the entry itself, and go when the job's results go.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, bindparam, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.events import EventKind, JobEvent, gist_of, had_ended, kind_of, said_of
from speech.jobs import Job, JobStatus
from storage import records
from storage.database import Database
from storage.errors import Missing
from storage.tables import job_events, jobs

CHANNEL = "woa_events"
"""The PostgreSQL channel that a commit with a new entry notifies."""
_AT_ONCE = 500
_ENDS = tuple(str(kind) for kind in EventKind if kind.is_end)


@dataclass(frozen=True, slots=True)
class LogHead:
    """How long a job's log is, and whether the job has ended: then its last entry says how."""

    number: int
    ended: bool


class Events:
    """The logs of jobs, for those who read them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def head(self, owner_id: str, job_id: str) -> LogHead:
        """Where the log of a job ends now; Missing(job_not_found).

        What a process of an older version did to the job, and did not log, is logged first.
        """
        query = select(jobs).where(jobs.c.job_id == job_id, jobs.c.owner_id == owner_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).mappings().first()
        if row is None:
            raise Missing(f"There is no job {job_id}.", "job_not_found")
        if (row["logged"] or "").partition(":")[0] != row["status"] and row["status"] != JobStatus.EXPIRED:
            row = await self._catch_up(job_id)
        return LogHead(row["last_event"], JobStatus(row["status"]).finished)

    async def heads(self, job_ids: Collection[str]) -> dict[str, int]:
        """The numbers of the last entries of many jobs; one look for a few hundred of them."""
        wanted, found = list(job_ids), {}
        async with self._database.reading() as connection:
            for start in range(0, len(wanted), _AT_ONCE):
                some = jobs.c.job_id.in_(wanted[start : start + _AT_ONCE])
                rows = await connection.execute(select(jobs.c.job_id, jobs.c.last_event).where(some))
                found.update({row.job_id: row.last_event for row in rows})
        return found

    async def after(self, job_id: str, number: int, limit: int) -> list[JobEvent]:
        """The entries that follow the one of that number, 0 for the first ones."""
        query = (
            select(job_events.c.number, job_events.c.kind, job_events.c.data)
            .where(job_events.c.job_id == job_id, job_events.c.number > number)
            .order_by(job_events.c.number)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [JobEvent(row.number, EventKind(row.kind), row.data) for row in await connection.execute(query)]

    async def _catch_up(self, job_id: str) -> RowMapping:
        async with self._database.writing() as connection:
            held = select(jobs).where(jobs.c.job_id == job_id)
            await connection.execute(held.with_for_update())
            await note(connection, job_id)
            return (await connection.execute(held)).mappings().one()


async def note(connection: AsyncConnection, job_id: str) -> Job:
    """Log what is new of a job whose row this transaction holds; the job as it is."""
    row, job = await _read(connection, job_id)
    gist = gist_of(job)
    if gist == row["logged"] or job.status is JobStatus.EXPIRED:
        return job
    if had_ended(row["logged"]) and not job.status.finished:
        await _take_back_the_end(connection, job_id)
    await _append(connection, row, kind_of(job), said_of(job), logged=gist)
    return job


async def note_accepted(connection: AsyncConnection, accepted: ColumnElement[bool]) -> None:
    """Log the first entries of jobs that this transaction has made, all at once."""
    rows = (await connection.execute(select(jobs).where(accepted))).mappings().all()
    found = await records.with_files(connection, rows)
    entries = [_entry(job.owner_id, job.job_id, 1, kind_of(job), said_of(job)) for job in found]
    await connection.execute(insert(job_events), entries)
    logged = update(jobs).where(jobs.c.job_id == bindparam("of")).values(last_event=1, logged=bindparam("gist"))
    await connection.execute(logged, [{"of": job.job_id, "gist": gist_of(job)} for job in found])
    await _notify(connection)


async def note_piece(
    connection: AsyncConnection, job_id: str, file_id: str, piece: int, segments: list[dict[str, Any]]
) -> bool:
    """Log the words of a piece of a job whose row this transaction holds; False when the log has just these."""
    last = (
        select(job_events.c.data)
        .where(job_events.c.job_id == job_id, job_events.c.file_id == file_id, job_events.c.piece == piece)
        .order_by(job_events.c.number.desc())
        .limit(1)
    )
    before = (await connection.execute(last)).scalar_one_or_none()
    known: dict[str, Any] = {"revision": 0, "segments": None} if before is None else json.loads(before)
    if known["segments"] == segments:
        return False
    row = (await connection.execute(select(jobs).where(jobs.c.job_id == job_id))).mappings().one()
    said = {"job_id": job_id, "file_id": file_id, "piece": piece, "revision": known["revision"] + 1}
    await _append(connection, row, EventKind.SEGMENT, said | {"segments": segments}, file_id=file_id, piece=piece)
    return True


async def forget_words(connection: AsyncConnection, *, job_id: str | None = None, file_id: str | None = None) -> None:
    """Delete the words that the logs hold of a job, of a file, or of a file in a job. The numbers stay used."""
    chosen = [
        column == value for column, value in ((job_events.c.job_id, job_id), (job_events.c.file_id, file_id)) if value
    ]
    if not chosen:
        raise ValueError("a job, a file or both")
    words = job_events.c.kind == str(EventKind.SEGMENT)
    await connection.execute(delete(job_events).where(words, *chosen))


async def _take_back_the_end(connection: AsyncConnection, job_id: str) -> None:
    """What was the end of the job is not: it runs again, and who reads the log from its start shall not stop there."""
    ends = (job_events.c.job_id == job_id) & job_events.c.kind.in_(_ENDS)
    await connection.execute(update(job_events).where(ends).values(kind=str(EventKind.PROGRESS)))


async def _append(
    connection: AsyncConnection,
    row: RowMapping,
    kind: EventKind,
    said: dict[str, Any],
    *,
    logged: str | None = None,
    **columns: Any,
) -> None:
    number = row["last_event"] + 1
    changed = {"last_event": number} | ({} if logged is None else {"logged": logged})
    await connection.execute(update(jobs).where(jobs.c.job_id == row["job_id"]).values(changed))
    entry = _entry(row["owner_id"], row["job_id"], number, kind, said)
    await connection.execute(insert(job_events).values(entry | columns))
    await _notify(connection)


async def _notify(connection: AsyncConnection) -> None:
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


def _entry(owner_id: str, job_id: str, number: int, kind: EventKind, said: dict[str, Any]) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "number": number,
        "owner_id": owner_id,
        "kind": str(kind),
        "data": json.dumps(said, ensure_ascii=False, allow_nan=False, separators=(",", ":")),
        "created_at": now(),
    }


async def _read(connection: AsyncConnection, job_id: str) -> tuple[RowMapping, Job]:
    row = (await connection.execute(select(jobs).where(jobs.c.job_id == job_id))).mappings().one()
    return row, (await records.with_files(connection, [row]))[0]
