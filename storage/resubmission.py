"""A failed job that is run once more, under its own id: its finished steps are found again."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.jobs import JobStatus, Stage
from storage.endings import restart_files
from storage.outbox import OutboxKind, tell
from storage.projection import reopened
from storage.tables import jobs


async def submit_anew(connection: AsyncConnection, owner_id: str, job_id: str) -> bool:
    """Put the job back into the queue with a further submission; False unless it is there and has failed."""
    query = select(jobs).where(jobs.c.job_id == job_id, jobs.c.owner_id == owner_id).with_for_update()
    row = (await connection.execute(query)).mappings().first()
    if row is None or row["status"] != JobStatus.FAILED or row["results_deleted_at"] is not None:
        return False
    submission = row["submission"] + 1
    await restart_files(connection, job_id)
    values = reopened(row) | {
        "status": str(JobStatus.QUEUED),
        "stage": str(Stage.QUEUED),
        "submission": submission,
        "lost_runs": 0,
        "flow_run_id": None,
    }
    await connection.execute(update(jobs).where(jobs.c.job_id == job_id).values(values))
    await tell(connection, OutboxKind.SUBMIT, owner_id=owner_id, job_id=job_id, submission=submission)
    return True
