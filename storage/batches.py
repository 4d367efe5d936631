"""Batches: many jobs that are accepted together or not at all, summed up and cancelled together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, case, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.errors import UnsupportedOption
from speech.jobs import FINISHED, JobStatus
from speech.options import TranscribeRequest
from storage import cursors
from storage.cancellation import ask_to_stop
from storage.cursors import Position
from storage.database import Database
from storage.endings import ALMOST
from storage.errors import Missing
from storage.events import note, note_accepted
from storage.ids import new_id
from storage.lifetimes import is_expired, over
from storage.paging import read_page
from storage.submission import UNFINISHED, accept_all
from storage.tables import batches, jobs


@dataclass(frozen=True, slots=True)
class Batch:
    """How a batch is. ``jobs_count`` is how many jobs it was made of, ``counts`` how many of them are in which status.

    ``progress`` is 0..100, and 100 only when nothing is left to do; a job that has ended counts as done.
    """

    batch_id: str
    created_at: datetime
    jobs_count: int
    counts: dict[JobStatus, int]
    progress: float

    @property
    def finished(self) -> bool:
        """Whether all of its jobs have ended."""
        return not any(count for status, count in self.counts.items() if status not in FINISHED)


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One job of a batch; ``position`` is its item's, from 0."""

    job_id: str
    position: int
    status: JobStatus
    progress: float
    error: str | None
    error_code: str | None


class Batches:
    """The batches of a database."""

    def __init__(self, database: Database, *, results_kept: float = 0) -> None:
        """``results_kept``: seconds that results stay when a request does not say; 0: for ever."""
        self._database = database
        self._results_kept = results_kept

    async def create(
        self,
        owner_id: str,
        requests: Sequence[TranscribeRequest],
        *,
        max_unfinished: int,
        batch_id: str | None = None,
    ) -> list[str]:
        """Accept a job for each request, in one transaction; their ids. Missing(file_not_found), QueueFull.

        With a ``batch_id`` given (see Idempotency), a batch that it already names is returned as it is.
        """
        chosen = batch_id or new_id()
        # Ids in the order of the items, which is then their order in the queue too.
        ids = sorted(new_id() for _ in requests)
        wanted = dict(zip(ids, requests, strict=True))
        row = {"batch_id": chosen, "owner_id": owner_id, "jobs_count": len(wanted), "created_at": now()}
        async with self._database.writing() as connection:
            if batch_id is not None and await _find(connection, owner_id, batch_id) is not None:
                query = select(jobs.c.job_id).where(jobs.c.batch_id == batch_id).order_by(jobs.c.batch_position)
                return list((await connection.execute(query)).scalars())
            await accept_all(
                connection,
                owner_id,
                wanted,
                max_unfinished=max_unfinished,
                results_kept=self._results_kept,
                batch_id=chosen,
            )
            await connection.execute(insert(batches).values(row))
            await note_accepted(connection, jobs.c.batch_id == chosen)
        return list(wanted)

    async def get(self, owner_id: str, batch_id: str) -> Batch:
        """The batch; Missing(batch_not_found)."""
        async with self._database.reading() as connection:
            row = await _existing(connection, owner_id, batch_id)
            return (await _summed_up(connection, [row]))[0]

    async def jobs(
        self, owner_id: str, batch_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[BatchJob], str | None]:
        """The batch's jobs in the order of its items, and the cursor of the next page; Missing(batch_not_found)."""
        async with self._database.reading() as connection:
            batch = await _existing(connection, owner_id, batch_id)
            query = (
                select(jobs)
                .where(jobs.c.batch_id == batch_id, jobs.c.batch_position > _position(cursor))
                .order_by(jobs.c.batch_position)
                .limit(cursors.checked_limit(limit) + 1)
            )
            rows = (await connection.execute(query)).mappings().all()
        found = [_job(row) for row in rows[:limit]]
        if len(rows) <= limit:
            return found, None
        return found, cursors.encode(Position(batch["created_at"], str(found[-1].position)))

    async def list(
        self, owner_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[Batch], str | None]:
        """The owner's batches, newest first, and the cursor of the next page, None after the last one."""
        query = select(batches).where(batches.c.owner_id == owner_id)
        async with self._database.reading() as connection:
            rows, following = await read_page(
                connection, query, batches.c.created_at, batches.c.batch_id, limit=limit, cursor=cursor
            )
            found = await _summed_up(connection, rows)
        return found, following

    async def request_cancel(self, owner_id: str, batch_id: str) -> None:
        """Stop the jobs of the batch that have not ended, as if each were cancelled; Missing(batch_not_found)."""
        left = select(jobs).where(jobs.c.batch_id == batch_id, jobs.c.status.in_(UNFINISHED))
        async with self._database.writing() as connection:
            await _existing(connection, owner_id, batch_id)
            # In an order that all who hold several jobs keep, so that none waits for another in a circle.
            rows = (await connection.execute(left.order_by(jobs.c.job_id).with_for_update())).mappings().all()
            for row in rows:
                await ask_to_stop(connection, row)
                await note(connection, row["job_id"])


async def _find(connection: AsyncConnection, owner_id: str, batch_id: str) -> RowMapping | None:
    query = select(batches).where(batches.c.batch_id == batch_id, batches.c.owner_id == owner_id)
    return (await connection.execute(query)).mappings().first()


async def _existing(connection: AsyncConnection, owner_id: str, batch_id: str) -> RowMapping:
    row = await _find(connection, owner_id, batch_id)
    if row is None:
        raise Missing(f"There is no batch {batch_id}.", "batch_not_found")
    return row


async def _summed_up(connection: AsyncConnection, rows: Collection[RowMapping]) -> list[Batch]:
    done = case((jobs.c.status.in_(UNFINISHED), jobs.c.progress), else_=100.0)
    status = case((over(now()), str(JobStatus.EXPIRED)), else_=jobs.c.status).label("status")
    query = (
        select(jobs.c.batch_id, status, func.count().label("jobs"), func.sum(done).label("done"))
        .where(jobs.c.batch_id.in_([row["batch_id"] for row in rows]))
        .group_by(jobs.c.batch_id, status)
    )
    by_batch: dict[str, list[tuple[str, int, float]]] = {row["batch_id"]: [] for row in rows}
    for batch_id, seen, count, total in await connection.execute(query):
        by_batch[batch_id].append((seen, count, total))
    return [_batch(row, by_batch[row["batch_id"]]) for row in rows]


def _batch(row: RowMapping, sums: Sequence[tuple[str, int, float]]) -> Batch:
    counts = dict.fromkeys(JobStatus, 0) | {JobStatus(status): count for status, count, _ in sums}
    left = any(status in UNFINISHED for status, _, _ in sums)
    total = sum(count for _, count, _ in sums)
    mean = sum(done for _, _, done in sums) / total if total else 100.0
    return Batch(row["batch_id"], row["created_at"], row["jobs_count"], counts, min(mean, ALMOST) if left else 100.0)


def _job(row: RowMapping) -> BatchJob:
    status = JobStatus.EXPIRED if is_expired(row) else JobStatus(row["status"])
    return BatchJob(row["job_id"], row["batch_position"], status, row["progress"], row["error"], row["error_code"])


def _position(cursor: str | None) -> int:
    if cursor is None:
        return -1
    position = cursors.decode(cursor).row_id
    if not (position.isascii() and position.isdecimal() and len(position) <= 9):
        raise UnsupportedOption("The cursor is not one that this list gave; start without one.", "cursor")
    return int(position)
