"""What has had its time: expired results, uploads and steps that nobody needs, logs and rows of long ago.

Each call does one page and says how many went; callers go on until a page is short. Any number of processes may do so
at once, beside jobs at work: what is to go is asked once more when its row is held.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.events import EventKind
from speech.ingestion import ObjectStatus
from speech.jobs import FINISHED, JobStatus
from storage.announcements import DUE
from storage.database import Database
from storage.garbage import discard
from storage.idempotency import KEPT
from storage.ingest_tables import ingest_objects, ingest_runs
from storage.lifetimes import over
from storage.steps import HEARD_IN_PART, forget_steps, step_blob
from storage.tables import (
    deliveries,
    files,
    idempotency,
    job_events,
    job_files,
    jobs,
    steps,
    workers,
)
from storage.takes import waiting_for
from storage.transcripts import forget_results

PAGE = 100
_FINISHED = tuple(str(status) for status in FINISHED)
_WORKERS_KEPT = timedelta(days=1)


class Clearance:
    """Rows that are to go, of every owner; their bytes are noted and go with Garbage.collect."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def expire_results(self) -> int:
        """Let go of what came of jobs whose time is over; they stay listed as `expired`."""
        chosen = select(jobs.c.job_id).where(over(now()), ~_wanted_back()).order_by(jobs.c.expires_at).limit(PAGE)
        async with self._database.reading() as connection:
            due = list((await connection.execute(chosen)).scalars())
        return sum([await self._expire(job_id) for job_id in due])

    async def drop_unused_files(self, before: datetime) -> int:
        """Let go of uploads from before then that no job needs."""
        chosen = select(files.c.file_id).where(_unused(before)).order_by(files.c.file_id).limit(PAGE)
        async with self._database.reading() as connection:
            due = list((await connection.execute(chosen)).scalars())
        return sum([await self._drop_file(file_id, before) for file_id in due])

    async def forget_old_steps(self, before: datetime) -> int:
        """Let go of the outcomes of steps whose jobs all ended before then."""
        return await self._forget_steps(before, _ended_before(before))

    async def forget_parts_of_voices(self) -> int:
        """Let go of the vectors that were kept for going on with a diarization whose job has ended, however it did."""
        moment = now()
        return await self._forget_steps(moment, and_(_ended_before(moment), steps.c.step == HEARD_IN_PART))

    async def _forget_steps(self, before: datetime, which: ColumnElement[bool]) -> int:
        old = select(steps).join(jobs, jobs.c.job_id == steps.c.job_id).where(which)
        async with self._database.writing() as connection:
            page = (await connection.execute(old.order_by(steps.c.job_id).limit(PAGE))).mappings().all()
            unneeded = {(row["owner_id"], row["step_key"]) for row in page}
            for owner_id, key in sorted(unneeded):
                if not await _needed(connection, owner_id, key, before):
                    await discard(connection, [step_blob(owner_id, key)])
            for row in page:
                mine = [steps.c[name] == row[name] for name in ("job_id", "file_id", "step", "step_key")]
                await connection.execute(delete(steps).where(*mine))
        return len(page)

    async def forget_old_progress(self, before: datetime) -> int:
        """Drop what is told of the progress of all jobs that ended before then, but for what was told last.

        Several jobs at a time, in order: logs that are short already are passed once, not again for every page.
        """
        removed, after = 0, ""
        while page := await self._long_logs(before, after):
            removed += await self._shorten(page, before)
            after = page[-1]
        return removed

    async def forget_deliveries(self, before: datetime) -> int:
        """Drop deliveries from before then that nobody is to send any more."""
        last = func.coalesce(deliveries.c.delivered_at, deliveries.c.created_at)
        old = and_(deliveries.c.status != DUE, last < before)
        return await self._drop_page(deliveries.c.delivery_id, old)

    async def forget_ingest_runs(self, before: datetime) -> int:
        """Drop the reports of runs of sources that ended before then."""
        return await self._drop_page(ingest_runs.c.run_id, ingest_runs.c.ended_at < before)

    async def forget_answers(self) -> int:
        """Drop the answers that are remembered for idempotency keys, when their time is over."""
        async with self._database.writing(durable=False) as connection:
            old = idempotency.c.created_at < now() - KEPT
            return (await connection.execute(delete(idempotency).where(old))).rowcount

    async def forget_workers(self) -> int:
        """Drop workers that were not heard of for a day."""
        async with self._database.writing(durable=False) as connection:
            silent = workers.c.beat_at < now() - _WORKERS_KEPT
            return (await connection.execute(delete(workers).where(silent))).rowcount

    async def _expire(self, job_id: str) -> int:
        held = select(jobs).where(jobs.c.job_id == job_id, over(now()), ~_wanted_back()).with_for_update()
        async with self._database.writing() as connection:
            row = (await connection.execute(held)).mappings().first()
            if row is None:  # somebody else was quicker, or the job runs again
                return 0
            await forget_results(connection, row)
            await connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(status=str(JobStatus.EXPIRED)))
        return 1

    async def _long_logs(self, before: datetime, after: str) -> list[str]:
        long = select(job_events.c.job_id).where(job_events.c.job_id == jobs.c.job_id, _old_news()).correlate(jobs)
        query = select(jobs.c.job_id).where(jobs.c.job_id > after, _ended_before(before), long.exists())
        async with self._database.reading() as connection:
            return list((await connection.execute(query.order_by(jobs.c.job_id).limit(PAGE))).scalars())

    async def _shorten(self, job_ids: list[str], before: datetime) -> int:
        # Asked again: one of them may run once more by now.
        ended = select(jobs.c.job_id).where(jobs.c.job_id.in_(job_ids), _ended_before(before))
        async with self._database.writing() as connection:
            old = job_events.c.job_id.in_(ended) & _old_news()
            return (await connection.execute(delete(job_events).where(old))).rowcount

    async def _drop_page(self, key: Column[str], old: ColumnElement[bool]) -> int:
        page = select(key).where(old).limit(PAGE)
        async with self._database.writing(durable=False) as connection:
            return (await connection.execute(delete(key.table).where(key.in_(page), old))).rowcount

    async def _drop_file(self, file_id: str, before: datetime) -> int:
        # Held first and asked after: a job that is being accepted with it was there first, or comes too late.
        held = select(files).where(files.c.file_id == file_id).with_for_update()
        still = select(files.c.file_id).where(files.c.file_id == file_id, _unused(before))
        async with self._database.writing() as connection:
            row = (await connection.execute(held)).mappings().first()
            if row is None or (await connection.execute(still)).first() is None:
                return 0
            await discard(connection, [row["blob_key"]] if row["blob_key"] else [])
            await forget_steps(connection, file_id=file_id)
            await connection.execute(delete(files).where(files.c.file_id == file_id))
        return 1


def _wanted_back() -> ColumnElement[bool]:
    """Whether the job's results are still to go back to the source of its recording."""
    waiting = select(ingest_objects.c.object_id).where(
        ingest_objects.c.job_id == jobs.c.job_id, ingest_objects.c.status == str(ObjectStatus.SUBMITTED)
    )
    return waiting.exists()


def _unused(before: datetime) -> ColumnElement[bool]:
    using = (
        select(job_files.c.job_id)
        .join(jobs, jobs.c.job_id == job_files.c.job_id)
        .where(job_files.c.file_id == files.c.file_id, jobs.c.status != str(JobStatus.EXPIRED))
    )
    unneeded = ~using.exists() & ~waiting_for(files.c.file_id)
    return and_(files.c.source_url.is_(None), files.c.created_at < before, unneeded)


def _ended_before(before: datetime) -> ColumnElement[bool]:
    return and_(jobs.c.status.in_(_FINISHED), jobs.c.completed_at < before)


def _old_news() -> ColumnElement[bool]:
    """Progress that something was told after. The last entry stays, for it says how the job ended."""
    others = job_events.alias()
    last = select(func.max(others.c.number)).where(others.c.job_id == job_events.c.job_id).correlate(job_events)
    return and_(job_events.c.kind == str(EventKind.PROGRESS), job_events.c.number < last.scalar_subquery())


async def _needed(connection: AsyncConnection, owner_id: str, key: str, before: datetime) -> bool:
    """Whether a job that is at work or ended lately made or used the outcome."""
    younger = or_(jobs.c.status.not_in(_FINISHED), jobs.c.completed_at >= before)
    using = (
        select(steps.c.job_id)
        .join(jobs, jobs.c.job_id == steps.c.job_id)
        .where(steps.c.owner_id == owner_id, steps.c.step_key == key, younger)
    )
    return bool((await connection.execute(select(exists(using)))).scalar_one())
