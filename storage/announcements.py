"""The end of a job as a delivery: written in the transaction that ends the job, so that none is without the other."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from speech.clock import now
from speech.options import DEFAULT_WEBHOOK_EVENTS
from storage.ids import new_id
from storage.tables import deliveries, job_files, jobs
from storage.upserts import insert_or_ignore

DUE = "due"
DELIVERED = "delivered"
FAILED = "failed"
CANCELLED = "cancelled"
_FILE = ("file_id", "filename", "status", "error", "error_code", "transcript_id")
_JOB = ("job_id", "status", "error", "error_code", "metadata")


async def announce(connection: AsyncConnection, job_id: str) -> None:
    """Note that the job's owner is to hear of its end, when the request asked for that; once an attempt and event."""
    row = (await connection.execute(select(jobs).where(jobs.c.job_id == job_id))).mappings().one()
    # Read as it is stored: also what another version wrote is to be announced.
    url = row["specification"].get("webhook_url")
    if not url or row["status"] not in row["specification"].get("webhook_events", DEFAULT_WEBHOOK_EVENTS):
        return
    moment = now()
    delivery = {
        "delivery_id": f"msg_{new_id()}",
        "owner_id": row["owner_id"],
        "job_id": job_id,
        "attempt": row["attempt"],
        "event": row["status"],
        "url": url,
        "data": await _said(connection, row),
        "status": DUE,
        "tries": 0,
        "created_at": moment,
        "due_at": moment,
        "dispatches": 0,
    }
    await connection.execute(insert_or_ignore(connection, deliveries).values(delivery))


async def forget_deliveries(connection: AsyncConnection, job_id: str) -> None:
    """Deliver nothing more of a job whose results go, and forget where to and what."""
    mine = deliveries.c.job_id == job_id
    await connection.execute(update(deliveries).where(mine).values(url=None, data=None))
    due = mine & (deliveries.c.status == DUE)
    await connection.execute(update(deliveries).where(due).values(status=CANCELLED, due_at=None, lease=None))


async def _said(connection: AsyncConnection, job: RowMapping) -> dict[str, Any]:
    """What is told of the job, as it is at this moment; no word of its transcripts."""
    query = select(*(job_files.c[name] for name in _FILE)).where(job_files.c.job_id == job["job_id"])
    files = (await connection.execute(query.order_by(job_files.c.position))).mappings().all()
    return {**{name: job[name] for name in _JOB}, "files": [dict(file) for file in files]}
