"""Running a job again that has ended: a new submission of it, whether or not Prefect answers.

The new submission has an idempotency key of its own in Prefect. The runs of those before may say and do what they
like: their news are of another submission, and their attempts hold worthless tokens.
"""

from __future__ import annotations

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.jobs import FileStatus, JobStatus
from storage.endings import restart_files, undone_files
from storage.errors import JobExpired, JobNotFinished, Missing, NothingToRetry
from storage.events import note
from storage.ids import new_id
from storage.lifetimes import is_expired
from storage.outbox import OutboxKind, tell
from storage.projection import reopened
from storage.submission import hold_places
from storage.tables import files, job_files, jobs


async def run_again(connection: AsyncConnection, row: RowMapping, *, max_unfinished: int, retry_id: str) -> None:
    """Send a locked job to the queue once more; its finished files and steps are not done again.

    Raises:
        JobNotFinished, JobExpired, NothingToRetry, Missing(file_not_found): when there is nothing to run again.
        QueueFull: when the owner has as many unfinished jobs as the operator allows.

    """
    await _refuse_unless_retryable(connection, row)
    await hold_places(connection, row["owner_id"], 1, max_unfinished)
    await restart_files(connection, row["job_id"])
    submission = row["submission"] + 1
    values = reopened(row) | {
        "status": str(JobStatus.QUEUED),
        "submission": submission,
        "lost_runs": 0,
        "flow_run_id": None,
        "retry_id": retry_id,
    }
    await connection.execute(update(jobs).where(jobs.c.job_id == row["job_id"]).values(values))
    await tell(connection, OutboxKind.SUBMIT, owner_id=row["owner_id"], job_id=row["job_id"], submission=submission)


async def run_failed_again(connection: AsyncConnection, owner_id: str, job_id: str, *, max_unfinished: int) -> bool:
    """Send an owner's job to the queue once more; False unless it is there, has failed, and may run; QueueFull."""
    row = await hold_job(connection, owner_id, job_id)
    if row is None or row["status"] != JobStatus.FAILED:
        return False
    try:
        await run_again(connection, row, max_unfinished=max_unfinished, retry_id=new_id())
    except (JobExpired, Missing):
        return False
    await note(connection, job_id)
    return True


async def hold_job(connection: AsyncConnection, owner_id: str, job_id: str) -> RowMapping | None:
    """Lock an owner's job until the transaction ends."""
    query = select(jobs).where(jobs.c.job_id == job_id, jobs.c.owner_id == owner_id).with_for_update()
    return (await connection.execute(query)).mappings().first()


async def _refuse_unless_retryable(connection: AsyncConnection, row: RowMapping) -> None:
    status = JobStatus(row["status"])
    if not status.finished:
        raise JobNotFinished("The job is still at work; it can be retried once it has ended.")
    if is_expired(row) or row["results_deleted_at"] is not None:
        raise JobExpired("The job's request was deleted with its results; submit it anew.")
    if status is JobStatus.COMPLETED and not await undone_files(connection, row["job_id"]):
        raise NothingToRetry("Every file of the job was transcribed; there is nothing to run again.")
    if not await _recordings_left(connection, row["job_id"]):
        raise Missing("The recordings that are left to transcribe were deleted; submit them anew.", "file_not_found")


async def _recordings_left(connection: AsyncConnection, job_id: str) -> int:
    undone = (job_files.c.job_id == job_id) & (job_files.c.status != str(FileStatus.COMPLETED))
    there = job_files.join(files, files.c.file_id == job_files.c.file_id)
    return (await connection.execute(select(func.count()).select_from(there).where(undone))).scalar_one()
