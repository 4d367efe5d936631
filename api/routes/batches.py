"""``/batches``: many jobs at once."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import Answer, refusals, shown
from api.batch_schemas import BatchAcceptedView, BatchList, BatchView
from api.batches import checked_batch, create_batch
from api.bodies import read_json
from api.deps import App, Caller, Parts
from api.idempotency import IdempotencyKey, checked_key, digest_of, once
from api.ids import BatchId
from api.paging import Cursor, Limit
from api.views import batch_links_of, batch_summary, batch_view

router = APIRouter(prefix="/batches", tags=["batches"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/BatchBody"},
                "examples": {
                    "two recordings": {
                        "value": {
                            "defaults": {"language": "en", "output_formats": ["vtt"], "priority": "low"},
                            "items": [
                                {"file_ids": ["0193a1b2c3d47e6f8091a2b3c4d5e6f7"]},
                                {"urls": ["https://example.com/talk.mp3"], "language": "it"},
                            ],
                        }
                    }
                },
            }
        },
    }
}
_ACCEPTED_HEADERS: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "The batch.", "schema": {"type": "string"}}}}
}


@router.post(
    "",
    operation_id="create_batch",
    summary="Ask for many transcriptions",
    status_code=202,
    response_model=BatchAcceptedView,
    responses={**_ACCEPTED_HEADERS, **refusals(404, 408, 409, 413, 415, 422)},
    openapi_extra=_BODY,
)
async def post_batch(request: Request, parts: App, caller: Caller, idempotency_key: IdempotencyKey = None) -> Response:
    """Check every item as `POST /transcribe` does, then store a job for each, all of them or none.

    `errors` names the fields of items, such as `items[3].language`.
    """
    key = checked_key(idempotency_key)
    body = await read_json(request)

    async def accept(batch_id: str) -> Answer:
        requests = await checked_batch(body, parts, caller.owner_id)
        job_ids = await create_batch(parts, caller.owner_id, requests, batch_id)
        view = BatchAcceptedView(batch_id=batch_id, job_ids=job_ids, links=batch_links_of(batch_id))
        return Answer.of(view, 202)

    answer = await once(parts.store, caller.owner_id, "batches", key, digest_of(body) if key else "", accept)
    return answer.response({"Location": json.loads(answer.body)["links"]["self"]})


@router.get(
    "",
    operation_id="list_batches",
    summary="The batches, newest first",
    response_model=BatchList,
    responses=refusals(422),
)
async def list_batches(parts: App, caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """A page of batches, each summed up; `next_cursor` leads to the next one."""
    found, following = await parts.store.batches.list(caller.owner_id, limit=limit, cursor=cursor)
    return shown(BatchList(batches=[batch_summary(batch) for batch in found], next_cursor=following))


@router.get(
    "/{batch_id}",
    operation_id="get_batch",
    summary="How far a batch is",
    response_model=BatchView,
    responses=refusals(404, 422),
)
async def get_batch(
    batch_id: BatchId, parts: App, caller: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """How many of its jobs are in which status, and a page of them in the order of the items."""
    return shown(await _view(parts, caller.owner_id, batch_id, limit, cursor))


@router.delete(
    "/{batch_id}",
    operation_id="cancel_batch",
    summary="Stop a batch",
    status_code=202,
    response_model=BatchView,
    responses=refusals(404, 422),
)
async def cancel_batch(
    batch_id: BatchId, parts: App, caller: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Cancel what is left of it; jobs that have ended stay as they are. Asking again answers the same."""
    await parts.store.batches.request_cancel(caller.owner_id, batch_id)
    return Answer.of(await _view(parts, caller.owner_id, batch_id, limit, cursor), 202).response()


async def _view(parts: Parts, owner_id: str, batch_id: str, limit: int, cursor: str | None) -> BatchView:
    batch = await parts.store.batches.get(owner_id, batch_id)
    jobs, following = await parts.store.batches.jobs(owner_id, batch_id, limit=limit, cursor=cursor)
    return batch_view(batch, jobs, following)
