"""Jobs: accepted, shown, listed, cancelled, and kept in line with their flow runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.jobs import Job, JobStatus
from speech.options import TranscribeRequest
from storage import records
from storage.cancellation import ask_to_stop, cancel_run
from storage.database import Database
from storage.errors import Missing
from storage.events import note
from storage.ids import new_id
from storage.lifetimes import shown_as, waiting_in_line, waits_until
from storage.marks import mark, marked
from storage.paging import read_page
from storage.projection import Projection, apply, is_news, is_over, submit_again
from storage.retries import run_again
from storage.submission import RANKS, UNFINISHED, accept
from storage.tables import jobs

_READ = "prefect_read"


@dataclass(frozen=True, slots=True)
class ActiveJob:
    """What control needs to know of an unfinished job."""

    job_id: str
    owner_id: str
    status: JobStatus
    submission: int
    flow_run_id: str | None
    attempt: int
    cancel_requested_at: datetime | None


@dataclass(frozen=True, slots=True)
class PlacedJob:
    """A job and its place among all queued jobs, as of one moment; 1 is next, None when it is not queued."""

    job: Job
    queue_position: int | None


class Jobs:
    """The jobs of a database."""

    def __init__(self, database: Database, *, results_kept: float = 0) -> None:
        """``results_kept``: seconds that results stay when a request does not say; 0: for ever."""
        self._database = database
        self._results_kept = results_kept

    async def create(
        self, owner_id: str, request: TranscribeRequest, *, max_unfinished: int, job_id: str | None = None
    ) -> Job:
        """Accept a job: once this returns, it will be run. Missing(file_not_found), QueueFull, UnsupportedOption.

        With a ``job_id`` given (see Idempotency), a job that it already names is returned as it is.
        """
        return (await self.create_placed(owner_id, request, max_unfinished=max_unfinished, job_id=job_id)).job

    async def create_placed(
        self, owner_id: str, request: TranscribeRequest, *, max_unfinished: int, job_id: str | None = None
    ) -> PlacedJob:
        """The same, with the job's place in the queue, in the one transaction that there is."""
        chosen = job_id or new_id()
        async with self._database.writing() as connection:
            if job_id is None or await _find(connection, owner_id, job_id) is None:
                await accept(
                    connection,
                    owner_id,
                    request,
                    max_unfinished=max_unfinished,
                    job_id=chosen,
                    results_kept=self._results_kept,
                )
                job = await note(connection, chosen)
            else:
                job = await _read(connection, owner_id, chosen)
            return PlacedJob(job, await _place(connection, job))

    async def get(self, owner_id: str, job_id: str) -> Job:
        """The job; Missing(job_not_found)."""
        async with self._database.reading() as connection:
            return await _read(connection, owner_id, job_id)

    async def get_placed(self, owner_id: str, job_id: str) -> PlacedJob:
        """The job and its place in the queue, read together; Missing(job_not_found)."""
        async with self._database.reading() as connection:
            job = await _read(connection, owner_id, job_id)
            return PlacedJob(job, await _place(connection, job))

    async def queue_position(self, job: Job) -> int | None:
        """The job's place among all queued jobs, 1 is next; None when it is not queued, or waits for its time."""
        async with self._database.reading() as connection:
            return await _place(connection, job)

    async def queue_positions(self, shown: Collection[Job]) -> dict[str, int]:
        """The places of those of the jobs that are queued, by id; the queue is gone through once for all of them."""
        wanted = [job.job_id for job in shown if job.status is JobStatus.QUEUED]
        if not wanted:
            return {}
        order = (jobs.c.priority_rank, jobs.c.created_at, jobs.c.job_id)
        place = func.row_number().over(order_by=order).label("place")
        queue = select(jobs.c.job_id, place).where(waiting_in_line()).subquery()
        query = select(queue.c.job_id, queue.c.place).where(queue.c.job_id.in_(wanted))
        async with self._database.reading() as connection:
            return {row.job_id: row.place for row in await connection.execute(query)}

    async def request_cancel(self, owner_id: str, job_id: str) -> Job:
        """Stop the job: a queued one is cancelled at once, a running one is told to stop. JobFinished, Missing."""
        async with self._database.writing() as connection:
            row = await _find(connection, owner_id, job_id)
            if row is None:
                raise _missing(job_id)
            await ask_to_stop(connection, row)
            return await note(connection, job_id)

    async def retry(self, owner_id: str, job_id: str, *, max_unfinished: int, retry_id: str | None = None) -> Job:
        """Run an ended job again: what failed or was cancelled of it.

        With a ``retry_id`` given (see Idempotency), a retry that was made under it is not made again.

        Raises:
            Missing: the owner has no such job.
            JobNotFinished, JobExpired, NothingToRetry, QueueFull: it does not run again.

        """
        async with self._database.writing() as connection:
            row = await _find(connection, owner_id, job_id)
            if row is None:
                raise _missing(job_id)
            if retry_id is None or row["retry_id"] != retry_id:
                chosen = retry_id or new_id()
                await run_again(connection, row, max_unfinished=max_unfinished, retry_id=chosen)
            return await note(connection, job_id)

    async def active(self, limit: int = 1000) -> list[ActiveJob]:
        """Unfinished jobs of every owner: with a run first, of them those at work first, then by queue and age."""
        names = ActiveJob.__dataclass_fields__
        query = (
            select(*(jobs.c[name] for name in names))
            .where(jobs.c.status.in_(UNFINISHED))
            .order_by(jobs.c.flow_run_id.is_(None), jobs.c.status == str(JobStatus.QUEUED))
            .order_by(jobs.c.priority_rank, jobs.c.created_at)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [ActiveJob(**{**row, "status": JobStatus(row["status"])}) for row in rows]

    async def submitted(self, job_id: str, submission: int, flow_run_id: str) -> None:
        """The job's flow run was made. If nobody wants it any more, control is told to cancel it."""
        # Were it lost, so would be what follows it: that the order to submit was carried out.
        async with self._database.writing(durable=False) as connection:
            row = await locked(connection, job_id)
            if row is None:
                return
            if row["submission"] == submission:
                change = update(jobs).where(jobs.c.job_id == job_id).values(flow_run_id=flow_run_id)
                await connection.execute(change)
            if row["submission"] != submission or row["cancel_requested_at"] is not None:
                await cancel_run(connection, row, submission, flow_run_id)

    async def project(self, job_id: str, submission: int, projection: Projection) -> bool:
        """Bring the job in line with its run; whether it changed. Unlawful and stale news change nothing."""
        return job_id in await self.project_many({job_id: (submission, projection)})

    async def project_many(self, seen: Mapping[str, tuple[int, Projection]]) -> set[str]:
        """The same for many jobs, each with its submission; the ids of those that changed.

        All are compared in one read; only what changes a job takes the write lock, each job for itself.
        """
        async with self._database.reading() as connection:
            rows = (await connection.execute(select(jobs).where(jobs.c.job_id.in_(list(seen))))).mappings().all()
        news = [row["job_id"] for row in rows if is_news(row, *seen[row["job_id"]])]
        return {job_id for job_id in news if await self._project(job_id, *seen[job_id])}

    async def _project(self, job_id: str, submission: int, projection: Projection) -> bool:
        # What Prefect says is read again and again.
        async with self._database.writing(durable=False) as connection:
            row = await locked(connection, job_id)
            if row is None or not is_news(row, submission, projection) or await is_over(connection, row, projection):
                return False
            await apply(connection, row, projection)
            await note(connection, job_id)
            return True

    async def resubmit(self, job_id: str, submission: int, flow_run_id: str | None) -> bool:
        """Send a job again whose run is gone: once; after that it fails with ``run_lost``, and False is returned.

        Nothing happens when that is not the job's run any more: two who miss the same run have lost one.
        """
        async with self._database.writing() as connection:
            row = await locked(connection, job_id)
            if row is None or (row["submission"], row["flow_run_id"]) != (submission, flow_run_id):
                return False
            again = await submit_again(connection, row)
            await note(connection, job_id)
            return again

    async def read_mark(self, at: datetime | None = None) -> None:
        """Remember that Prefect was read just now (or ``at``)."""
        async with self._database.writing(durable=False) as connection:
            await mark(connection, _READ, at or now())

    async def read_at(self) -> datetime | None:
        """When Prefect was last read; None when it never was."""
        async with self._database.reading() as connection:
            return await marked(connection, _READ)

    async def list(
        self,
        owner_id: str,
        *,
        status: JobStatus | None = None,
        created_after: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[Job], str | None]:
        """The owner's jobs, newest first, and the cursor of the next page, None after the last one."""
        query = select(jobs).where(jobs.c.owner_id == owner_id)
        if status is not None:
            query = query.where(shown_as(status))
        if created_after is not None:
            query = query.where(jobs.c.created_at > created_after)
        async with self._database.reading() as connection:
            rows, following = await read_page(
                connection, query, jobs.c.created_at, jobs.c.job_id, limit=limit, cursor=cursor
            )
            return await records.with_files(connection, rows), following


async def locked(connection: AsyncConnection, job_id: str) -> RowMapping | None:
    """The job's row, held until the transaction ends (on SQLite the transaction holds everything)."""
    query = select(jobs).where(jobs.c.job_id == job_id).with_for_update()
    return (await connection.execute(query)).mappings().first()


async def _find(connection: AsyncConnection, owner_id: str, job_id: str) -> RowMapping | None:
    query = select(jobs).where(jobs.c.job_id == job_id, jobs.c.owner_id == owner_id).with_for_update()
    return (await connection.execute(query)).mappings().first()


async def _read(connection: AsyncConnection, owner_id: str, job_id: str) -> Job:
    found = await records.read_one(connection, (jobs.c.job_id == job_id) & (jobs.c.owner_id == owner_id))
    if found is None:
        raise _missing(job_id)
    return found


async def _place(connection: AsyncConnection, job: Job) -> int | None:
    moment = now()
    if job.status is not JobStatus.QUEUED or any(waits_until(at, moment) for at in (job.not_before, job.waiting_until)):
        return None
    rank = RANKS[job.priority]
    earlier = or_(
        jobs.c.created_at < job.created_at,
        and_(jobs.c.created_at == job.created_at, jobs.c.job_id < job.job_id),
    )
    ahead = or_(jobs.c.priority_rank < rank, and_(jobs.c.priority_rank == rank, earlier))
    query = select(func.count()).where(waiting_in_line(), ahead)
    return int((await connection.execute(query)).scalar_one()) + 1


def _missing(job_id: str) -> Missing:
    return Missing(f"There is no job {job_id}.", "job_not_found")
