"""Jobs: asked for, looked at, listed, stopped, run again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, AwareDatetime, BeforeValidator
from starlette.responses import Response

from api.acceptance import accept_request
from api.answers import Answer, refusals, shown
from api.bodies import read_json
from api.deps import App, Caller, Parts
from api.idempotency import IdempotencyKey, checked_key, digest_of, once
from api.ids import JobId
from api.job_schemas import AcceptedView, JobList, JobView
from api.paging import Cursor, Limit
from api.views import job_view, links_of
from speech.jobs import Job, JobStatus

router = APIRouter(tags=["jobs"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/TranscribeRequest"},
                "examples": {
                    "one file": {"value": {"file_ids": ["0193a1b2c3d47e6f8091a2b3c4d5e6f7"]}},
                    "subtitles": {
                        "value": {
                            "file_ids": ["0193a1b2c3d47e6f8091a2b3c4d5e6f7"],
                            "language": "en",
                            "output_formats": ["json", "vtt", "srt"],
                            "subtitles": {"max_line_width": 38},
                        }
                    },
                    "a URL": {"value": {"urls": ["https://example.com/talk.mp3"], "metadata": {"call": 17}}},
                },
            }
        },
    }
}
_ACCEPTED_HEADERS: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}}}
}


def _plus(value: Any) -> Any:
    """In a query, an unescaped + means a space: 10:00+02:00 comes as 10:00 02:00."""
    return value.replace(" ", "+") if isinstance(value, str) else value


def _in_utc(value: datetime | None) -> datetime | None:
    """The first and last hours of the calendar lie outside of it in another zone."""
    try:
        return None if value is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC this time is not between the years 1 and 9999") from None


CreatedAfter = Annotated[
    AwareDatetime | None,
    BeforeValidator(_plus),
    AfterValidator(_in_utc),
    Query(description="Only jobs that are newer; ISO 8601 with an offset or Z.", examples=["2026-05-04T09:30:00Z"]),
]


@router.post(
    "/transcribe",
    operation_id="transcribe",
    summary="Ask for a transcription",
    status_code=202,
    response_model=AcceptedView,
    responses={**_ACCEPTED_HEADERS, **refusals(404, 408, 409, 413, 415, 422)},
    openapi_extra=_BODY,
)
async def transcribe(request: Request, parts: App, caller: Caller, idempotency_key: IdempotencyKey = None) -> Response:
    """Check the request to the end, store the job, and answer: once accepted, it runs, whatever is restarted.

    What the provider, the model or this server does not offer is refused here, naming the field.
    """
    key = checked_key(idempotency_key)
    body = await read_json(request)

    async def accept(job_id: str) -> Answer:
        return await accept_request(body, parts, caller.owner_id, job_id)

    answer = await once(parts.store, caller.owner_id, "transcribe", key, digest_of(body) if key else "", accept)
    return answer.response({"Location": json.loads(answer.body)["links"]["self"]})


async def _view(parts: Parts, job: Job) -> JobView:
    return await _view_at(parts, job, await parts.store.jobs.queue_position(job))


async def _view_at(parts: Parts, job: Job, queue_position: int | None) -> JobView:
    return job_view(
        job,
        queue_position=queue_position,
        stale_since=await parts.freshness.stale_since(job),
        prefect_ui=parts.settings.prefect_ui,
    )


@router.get(
    "/jobs/{job_id}",
    operation_id="get_job",
    summary="How far a job is",
    response_model=JobView,
    responses=refusals(404, 422),
)
@router.get(
    "/transcribe/jobs/{job_id}",
    operation_id="get_transcribe_job",
    summary="How far a job is (older address)",
    response_model=JobView,
    responses=refusals(404, 422),
)
async def get_job(job_id: JobId, parts: App, caller: Caller) -> Response:
    """Status, stage and progress of the job and of each of its files; at most a second behind the flow run."""
    placed = await parts.store.jobs.get_placed(caller.owner_id, job_id)
    return shown(await _view_at(parts, placed.job, placed.queue_position))


@router.get(
    "/jobs", operation_id="list_jobs", summary="The jobs, newest first", response_model=JobList, responses=refusals(422)
)
async def list_jobs(
    parts: App,
    caller: Caller,
    status: Annotated[JobStatus | None, Query(description="Only jobs with this status.")] = None,
    created_after: CreatedAfter = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """A page of jobs; `next_cursor` leads to the next one."""
    jobs, following = await parts.store.jobs.list(
        caller.owner_id, status=status, created_after=created_after, limit=limit, cursor=cursor
    )
    places = await parts.store.jobs.queue_positions(jobs)
    views = [await _view_at(parts, job, places.get(job.job_id)) for job in jobs]
    return shown(JobList(jobs=views, next_cursor=following))


@router.delete(
    "/jobs/{job_id}",
    operation_id="cancel_job",
    summary="Stop a job",
    status_code=202,
    response_model=JobView,
    responses=refusals(404, 409, 422),
)
async def cancel_job(job_id: JobId, parts: App, caller: Caller) -> Response:
    """`cancelled` when it was queued, `cancelling` when it runs; asking again answers the same. 409 `job_finished`."""
    job = await parts.store.jobs.request_cancel(caller.owner_id, job_id)
    return Answer.of(await _view(parts, job), 202).response()


@router.post(
    "/jobs/{job_id}/retry",
    operation_id="retry_job",
    summary="Run a job again",
    status_code=202,
    response_model=JobView,
    responses={**_ACCEPTED_HEADERS, **refusals(404, 409, 422)},
)
async def retry_job(job_id: JobId, parts: App, caller: Caller, idempotency_key: IdempotencyKey = None) -> Response:
    """A failed or cancelled job, or the failed files of a completed one; `attempt` grows, no finished step is repeated.

    409: `job_not_finished` while it runs, `nothing_to_retry` when every file is done, `job_expired` when its request
    was deleted with its results.
    """
    key = checked_key(idempotency_key)
    most = parts.settings.max_queued_jobs

    async def again(retry_id: str) -> Answer:
        job = await parts.store.jobs.retry(caller.owner_id, job_id, max_unfinished=most, retry_id=retry_id)
        return Answer.of(await _view(parts, job), 202)

    answer = await once(parts.store, caller.owner_id, "retry", key, digest_of(job_id) if key else "", again)
    return answer.response({"Location": links_of(job_id).self})
