"""Asking a job to stop, durably, whether or not Prefect answers."""

from __future__ import annotations

from sqlalchemy import RowMapping, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.jobs import FileStatus, JobStatus
from storage.announcements import announce
from storage.endings import end_files
from storage.errors import JobFinished
from storage.lifetimes import expires_at
from storage.outbox import OutboxKind, tell, withdraw
from storage.tables import jobs


async def ask_to_stop(connection: AsyncConnection, row: RowMapping) -> None:
    """Cancel a queued job at once, tell a running one to stop; JobFinished when it ended otherwise.

    Asking again changes nothing.
    """
    status = JobStatus(row["status"])
    if status in (JobStatus.CANCELLING, JobStatus.CANCELLED):
        return
    if status.finished:
        raise JobFinished(f"The job has ended ({status}); there is nothing to cancel.")
    if status is JobStatus.QUEUED:
        await _cancel_at_once(connection, row)
    else:
        change = {"status": str(JobStatus.CANCELLING), "cancel_requested_at": now()}
        await connection.execute(update(jobs).where(jobs.c.job_id == row["job_id"]).values(change))
    if row["flow_run_id"] is not None:
        await cancel_run(connection, row, row["submission"], row["flow_run_id"])


async def cancel_run(connection: AsyncConnection, row: RowMapping, submission: int, flow_run_id: str) -> None:
    """Have control cancel a flow run."""
    await tell(
        connection,
        OutboxKind.CANCEL,
        owner_id=row["owner_id"],
        job_id=row["job_id"],
        submission=submission,
        flow_run_id=flow_run_id,
    )


async def _cancel_at_once(connection: AsyncConnection, row: RowMapping) -> None:
    moment = now()
    change = {
        "status": str(JobStatus.CANCELLED),
        "cancel_requested_at": moment,
        "completed_at": moment,
        "expires_at": expires_at(row, moment),
    }
    await connection.execute(update(jobs).where(jobs.c.job_id == row["job_id"]).values(change))
    await end_files(connection, row["job_id"], FileStatus.CANCELLED, "job_cancelled", "The job was cancelled.")
    await withdraw(connection, row["job_id"])
    await announce(connection, row["job_id"])
