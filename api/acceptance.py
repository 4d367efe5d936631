"""What a client is told of a job that was accepted."""

from __future__ import annotations

from typing import Any

from api.answers import Answer
from api.deps import Parts
from api.job_schemas import AcceptedView
from api.submission import checked_request, create_job
from api.views import links_of
from storage.jobs import PlacedJob


async def accept_request(body: Any, parts: Parts, owner_id: str, job_id: str) -> Answer:
    """Check the request to the end, store the job, and say so.

    Raises:
        Refused: as `checked_request` and `create_job` do.

    """
    wanted = await checked_request(body, parts, owner_id)
    return await accepted(parts, await create_job(parts, owner_id, wanted, job_id))


async def accepted(parts: Parts, placed: PlacedJob) -> Answer:
    """The answer for a job that waits in the queue now."""
    job = placed.job
    waiting = await parts.freshness.silent_since() is not None
    message = (
        "Accepted. The orchestrator (Prefect) is not being reached now: the job runs as soon as it is back."
        if waiting
        else "Accepted."
    )
    view = AcceptedView(
        job_id=job.job_id,
        status=job.status,
        message=message,
        files_count=len(job.files),
        queue_position=placed.queue_position,
        links=links_of(job.job_id),
    )
    return Answer.of(view, 202)
