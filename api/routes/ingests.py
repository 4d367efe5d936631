"""Sources that recordings are ingested from: made, changed, run, looked into."""

from __future__ import annotations

import json
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.answers import Answer, refusals, shown
from api.bodies import read_json
from api.deps import App, Caller, Parts
from api.idempotency import IdempotencyKey, checked_key, digest_of, once
from api.identification import check_identification
from api.ids import IngestId, ObjectId
from api.ingest_schemas import (
    IngestList,
    IngestObjectList,
    IngestRunList,
    IngestView,
    ReleasedView,
    RunWantedView,
    ingest_view,
    object_view,
    run_view,
)
from api.paging import Cursor, Limit
from api.problems import invalid_request
from api.refusals import FieldError, InvalidRequest, Refused, inside
from api.submission import check_defaults
from pipeline.ingest_check import check_ingest
from speech.addresses import API
from speech.errors import UnsupportedOption
from speech.ingestion import IngestOptions, ObjectStatus

router = APIRouter(prefix="/ingests", tags=["ingests"])


def _body(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "examples": {"calls": {"value": example}}}}
    return {"requestBody": {"required": True, "content": content}}


_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"headers": {"Location": {"description": "The ingest.", "schema": {"type": "string"}}}}
}
_OPTIONS = _body(
    {"$ref": "#/components/schemas/IngestOptions"},
    {
        "url": "s3://calls/in",
        "pattern": "*.wav",
        "schedule": "0 * * * *",
        "request": {"language": "en"},
        "results": {"to": "next_to_source", "formats": ["json", "vtt"]},
    },
)
_CHANGES = _body({"type": "object"}, {"enabled": False})


async def _checked(parts: Parts, owner_id: str, body: Any) -> IngestOptions:
    """The options, when this server can do all of it for this owner."""
    try:
        options = IngestOptions.model_validate(body)
    except ValidationError as error:
        raise invalid_request(error) from None
    try:
        check_defaults(options.request, parts)
        await check_identification(options.request, owner_id, parts)
    except (Refused, UnsupportedOption) as error:
        raise inside("request", error) from None
    # The registry looks at the disk for models, and may import a provider's file.
    await to_thread.run_sync(check_ingest, options, owner_id, parts.ingest_stores, parts.registry)
    return options


@router.post(
    "",
    operation_id="create_ingest",
    summary="Take recordings from a bucket or folder",
    status_code=201,
    response_model=IngestView,
    responses={**_CREATED, **refusals(404, 408, 409, 413, 415, 422)},
    openapi_extra=_OPTIONS,
)
async def create_ingest(
    request: Request, parts: App, caller: Caller, idempotency_key: IdempotencyKey = None
) -> Response:
    """Check everything that can be checked without asking the store, and keep it; the schedule counts from now on.

    Only what the operator allows (`WOA_INGEST_STORES`) can be named; credentials are the operator's.
    409 `too_many_ingests` when the owner has as many as the operator allows.
    """
    key = checked_key(idempotency_key)
    body = await read_json(request)

    async def create(ingest_id: str) -> Answer:
        options = await _checked(parts, caller.owner_id, body)
        most = parts.settings.max_ingests
        made = await parts.store.ingests.create(caller.owner_id, options, ingest_id=ingest_id, most=most)
        return Answer.of(ingest_view(made), 201)

    answer = await once(parts.store, caller.owner_id, "ingests", key, digest_of(body) if key else "", create)
    return answer.response({"Location": f"{API}/ingests/{json.loads(answer.body)['ingest_id']}"})


@router.get(
    "",
    operation_id="list_ingests",
    summary="The ingests, newest first",
    response_model=IngestList,
    responses=refusals(409, 422),
)
async def list_ingests(parts: App, caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """A page of ingests; `next_cursor` leads to the next one."""
    found, following = await parts.store.ingests.list(caller.owner_id, limit=limit, cursor=cursor)
    return shown(IngestList(ingests=[ingest_view(one) for one in found], next_cursor=following))


@router.get(
    "/{ingest_id}",
    operation_id="get_ingest",
    summary="An ingest",
    response_model=IngestView,
    responses=refusals(404, 409, 422),
)
async def get_ingest(ingest_id: IngestId, parts: App, caller: Caller) -> Response:
    """What was asked for, and how far its source was seen."""
    return shown(ingest_view(await parts.store.ingests.get(caller.owner_id, ingest_id)))


@router.patch(
    "/{ingest_id}",
    operation_id="change_ingest",
    summary="Change an ingest",
    response_model=IngestView,
    responses=refusals(404, 408, 409, 413, 415, 422),
    openapi_extra=_CHANGES,
)
async def change_ingest(ingest_id: IngestId, request: Request, parts: App, caller: Caller) -> Response:
    """Give the fields that change, each whole; what is met from then on follows them.

    Where another place or other names are meant, the source is gone through from its beginning again.
    """
    changes = await read_json(request)
    if not isinstance(changes, dict):
        message = "The body is an object with the fields that change."
        raise InvalidRequest(message, [FieldError("body", message, "dict_type")])
    while True:
        before = (await parts.store.ingests.get(caller.owner_id, ingest_id)).options
        options = await _changed(parts, caller.owner_id, before, changes)
        changed = await parts.store.ingests.change(caller.owner_id, ingest_id, options, before=before)
        if changed is not None:  # else somebody else changed it meanwhile
            return shown(ingest_view(changed))


async def _changed(parts: Parts, owner_id: str, before: IngestOptions, changes: dict[str, Any]) -> IngestOptions:
    """The options with the changes, checked; to disable it nothing is asked that may have changed around it."""
    if changes == {"enabled": False}:
        return before.model_copy(update=changes)
    return await _checked(parts, owner_id, before.model_dump(mode="json") | changes)


@router.delete(
    "/{ingest_id}",
    operation_id="delete_ingest",
    summary="End an ingest",
    status_code=204,
    responses=refusals(404, 409, 422),
)
async def delete_ingest(ingest_id: IngestId, parts: App, caller: Caller) -> Response:
    """Its schedule and all that is known of its objects and runs go; jobs and their results stay.

    While jobs of it are unfinished, which read their recordings from it, it stays (`ingest_busy`): disable it, and wait
    for them or cancel them.
    """
    await parts.store.ingests.delete(caller.owner_id, ingest_id)
    return Response(status_code=204)


@router.post(
    "/{ingest_id}/run",
    operation_id="run_ingest",
    summary="Run an ingest now",
    status_code=202,
    response_model=RunWantedView,
    responses=refusals(404, 422),
)
async def run_ingest(ingest_id: IngestId, parts: App, caller: Caller) -> Response:
    """Recorded durably: the run begins as soon as the orchestrator answers. Several askings may be one run."""
    await parts.store.ingests.want_run(caller.owner_id, ingest_id)
    view = RunWantedView(ingest_id=ingest_id, runs=f"{API}/ingests/{ingest_id}/runs")
    return Answer.of(view, 202).response()


@router.get(
    "/{ingest_id}/objects",
    operation_id="list_ingest_objects",
    summary="The objects of an ingest, newest first",
    response_model=IngestObjectList,
    responses=refusals(404, 409, 422),
)
async def list_ingest_objects(
    ingest_id: IngestId,
    parts: App,
    caller: Caller,
    status: Annotated[ObjectStatus | None, Query(description="Only objects with this status.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Each version that was met, its job, and what became of it; `quarantined` ones say why."""
    await parts.store.ingests.get(caller.owner_id, ingest_id)
    found, following = await parts.store.ingest_objects.list(ingest_id, status=status, limit=limit, cursor=cursor)
    return shown(IngestObjectList(objects=[object_view(one) for one in found], next_cursor=following))


@router.post(
    "/{ingest_id}/retry",
    operation_id="retry_ingest",
    summary="Try quarantined objects again",
    status_code=202,
    response_model=ReleasedView,
    responses=refusals(404, 422),
)
async def retry_ingest(
    ingest_id: IngestId,
    parts: App,
    caller: Caller,
    object_id: ObjectId = None,
) -> Response:
    """Once what kept them from being transcribed is mended: they have all their tries again, and a run begins.

    What was transcribed already is only written back; an object whose name was refused stays where it is.
    """
    await parts.store.ingests.get(caller.owner_id, ingest_id)
    released = await parts.store.ingest_objects.release(ingest_id, object_id)
    if released:
        await parts.store.ingests.want_run(caller.owner_id, ingest_id)
    view = ReleasedView(ingest_id=ingest_id, released=released, runs=f"{API}/ingests/{ingest_id}/runs")
    return Answer.of(view, 202).response()


@router.get(
    "/{ingest_id}/runs",
    operation_id="list_ingest_runs",
    summary="The runs of an ingest, newest first",
    response_model=IngestRunList,
    responses=refusals(404, 409, 422),
)
async def list_ingest_runs(
    ingest_id: IngestId, parts: App, caller: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """What each run met and did, in numbers."""
    await parts.store.ingests.get(caller.owner_id, ingest_id)
    found, following = await parts.store.ingest_runs.list(ingest_id, limit=limit, cursor=cursor)
    return shown(IngestRunList(runs=[run_view(one) for one in found], next_cursor=following))
